/** docs/scaling.md reckons with figures of docs/benchmarks.md: each is the cell that it names, and the sums are right. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPage } from './blocks.ts';

type Cells = readonly string[];

const text = readPage('docs/scaling.md');
const nodes = tableAfter(readPage('docs/benchmarks.md'), '<!-- nodes');
const figures = tableAfter(text, '## Figures');
const ceilings = tableAfter(text, 'The lower of the two holds:');
/** Of the head: numbers of instances. */
const INSTANCES = [1, 2, 4, 8, Infinity];

/** The first table behind these words, with its head and without the line of dashes. */
function tableAfter(page: string, words: string): Cells[] {
  const from = page.indexOf(words);
  assert.ok(from >= 0, `there is no ${words}`);
  const [, table = ''] = /\n\n((?:\|.*\n)+)/.exec(page.slice(from)) ?? [];
  const lines = table.trim().split('\n');
  return lines
    .filter((line) => !/^\|[ :|-]+$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

function cellOf([head = [], ...rows]: readonly Cells[], row: string, column: string): string {
  return rows.find(([name]) => name === row)?.[head.indexOf(column)] ?? '';
}

function figure(name: string): number {
  const value = Number.parseFloat(cellOf(figures, `\`${name}\``, 'figure'));
  assert.ok(value > 0, `${name} is in the table of figures`);
  return value;
}

/** What a message costs whose page is at the instance that takes it with 1/n. */
function mixed(near: string, far: string, instances: number): number {
  return figure(near) + (1 - 1 / instances) * (figure(far) - figure(near));
}

test('each figure that is reckoned with stands in the table of the benchmark', () => {
  const rows = figures.slice(1);
  assert.ok(rows.length >= 10, `only ${rows.length} figures were seen`);
  const said = rows.map(([name, value = '']) => `${name} ${value.split(' ')[0]}`);
  assert.deepEqual(
    said,
    rows.map(([name, , row = '', column = '']) => `${name} ${cellOf(nodes, row, column)}`),
  );
});

test('what instances and the database allow follows from the figures', () => {
  const lines = Object.entries({
    '`c(n)`, µs': (n: number) => mixed('c_near', 'c_far', n),
    '`d(n)`, µs': (n: number) => mixed('d_near', 'd_far', n),
    'instances allow, messages a second': (n: number) => (n * 1e6) / mixed('c_near', 'c_far', n),
    'each processor of the database allows': (n: number) => 1e6 / mixed('d_near', 'd_far', n),
  });
  const sums = lines.map(([name, sum]) => [name, ...INSTANCES.map((n) => whole(sum(n)))]);
  assert.deepEqual(ceilings, [['instances `n`', '1', '2', '4', '8', '∞'], ...sums]);
});

test('the example is reckoned with the same figures', () => {
  for (const [of, near, far] of [
    ['instances', 'c_near', 'c_far'],
    ['database', 'd_near', 'd_far'],
  ] as const) {
    const cost = whole(mixed(near, far, 2));
    const line = new RegExp(
      String.raw`^${of} +320/s · ${cost} µs += +${((320 * Number(cost)) / 1e6).toFixed(2)} processors$`,
      'm',
    );
    assert.match(text, line);
  }
});

function whole(value: number): string {
  return Number.isFinite(value) ? value.toFixed(0) : '';
}
