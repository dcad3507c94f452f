/** What is made of measurements: medians and ratios, profiles, the verdict on a steady run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heaviest, readProfile } from '../../bench/report/cpu-profile.ts';
import { flameGraph } from '../../bench/report/flame-graph.ts';
import { barChart } from '../../bench/report/chart.ts';
import { markdownTable } from '../../bench/report/markdown.ts';
import { differenceOf, figuresOf, ratioOf, spreadOf, summarize } from '../../bench/report/summary.ts';
import { judge } from '../../bench/steady/judge.ts';
import type { Sample } from '../../bench/steady/sample.ts';
import type { Figures, LoadFigures } from '../../bench/visit.ts';

const load: LoadFigures = {
  messages: 1000,
  arrived: 1000,
  unsent: 0,
  ms: 1000,
  rate: 1000,
  cpuPerMessage: 40,
  p50: 1,
  p99: 2,
  p999: 3,
  longest: 4,
  lateP50: 0,
  lateP99: 0,
  waiting: 0.5,
  countsPerMessage: {},
};

function row(peer: string, round: number, rate: number): Figures {
  const faults = { lost: 0, doubled: 0, misrouted: 0, disordered: 0, refused: 0 };
  const rest = { connectsPerSecond: 100, connectWaiting: 0.5, startRssBytes: 2 ** 20, answered: 5, counted: 5 };
  return { peer, connections: 10, round, ...rest, max: { ...load, rate }, at: { 500: { ...load, p50: rate / 1000 } }, faults };
}

test('figures are medians with their spread; a ratio is the median of the ratios of the rounds', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 });
  assert.deepEqual(spreadOf([4, 1]), { median: 2.5, least: 1, most: 4 });
  const rows = [
    row('ringback', 0, 200),
    row('ws', 0, 100),
    row('ws', 1, 400),
    row('ringback', 1, 400),
    row('ringback', 2, 900),
    row('ws', 2, 300),
  ];
  const figures = figuresOf([500]);
  const [rate, p50] = ['max rate', 'p50 at 500/s'].map((name) => figures.find((figure) => figure.name === name));
  assert.ok(rate !== undefined && p50 !== undefined);
  assert.equal(summarize(rows, [500])[0]?.figures['max rate']?.median, 400);
  assert.deepEqual(ratioOf(rows, rate, { connections: 10, of: 'ringback', to: 'ws' }), { median: 2, least: 1, most: 3 });
  assert.equal(differenceOf(rows, p50, { connections: 10, of: 'ringback', to: 'ws' })?.median.toFixed(3), '0.100');
  assert.equal(ratioOf(rows, rate, { connections: 10, of: 'ringback', to: 'nobody' }), undefined);
});

test('faults and answers that were not counted are in the summary', () => {
  const bad = { ...row('ws', 0, 100), counted: 3, faults: { lost: 1, doubled: 2, misrouted: 0, disordered: 0, refused: 0 } };
  assert.equal(summarize([bad, row('ws', 1, 100)], [500])[0]?.faults, 5);
});

test('a profile is cut to the time of the load, without waiting, and becomes one page', async () => {
  const frame = (functionName: string): object => ({
    functionName,
    url: functionName === 'work' ? 'file:///x/dist/a/b.js' : '',
    lineNumber: 6,
  });
  const nodes = [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('work'), children: [5] },
    { id: 4, callFrame: frame('work') },
    { id: 5, callFrame: frame('inner') },
  ];
  const text = JSON.stringify({
    nodes,
    startTime: 1000,
    endTime: 2000,
    samples: [3, 2, 3, 5, 4, 3],
    timeDeltas: [10, 10, 10, 10, 10, 500],
  });
  const root = readProfile(text, { fromUs: 1015, toUs: 1100 });
  assert.equal(root.value, 30, 'neither what was before, nor after, nor waiting');
  assert.deepEqual(heaviest(root, 1), [{ name: 'work dist/a/b.js:7', share: 2 / 3 }]);
  assert.deepEqual(
    root.children.map(({ name, value }) => [name, value]),
    [['work dist/a/b.js:7', 30]],
  );
  const page = await flameGraph('a </script> title', root);
  assert.match(page, /flamegraph/);
  assert.ok(page.length > 100_000 && !/<script[^>]* src=|<link/.test(page), 'it needs no other file');
  assert.equal(page.match(/<script>/g)?.length, page.match(/<\/script>/g)?.length);
});

test('charts are SVG, and tables Markdown', () => {
  const svg = barChart([
    {
      title: 'rate',
      groups: ['10'],
      series: [
        { name: 'a', values: [4711] },
        { name: 'b', values: [undefined] },
      ],
      digits: 0,
    },
  ]);
  assert.match(svg, /^<svg [^]*>4711<[^]*<\/svg>$/);
  assert.equal(
    markdownTable([
      ['a', 'b'],
      ['x', '1'],
    ]),
    '| a | b |\n| --- | ---: |\n| x | 1 |',
  );
});

test('a steady run is judged by its memory, and by pauses that no collection explains', () => {
  const at = Date.UTC(2026, 0, 1);
  const samples = Array.from({ length: 100 }, (_, second): Sample => {
    const memory = { rssBytes: (100 + second / 36) * 2 ** 20, heapUsedBytes: 50 * 2 ** 20, heapTotalBytes: 60 * 2 ** 20 };
    return { at: at + second * 1000, ...memory, longestPauseMs: 1, pauses: [], collections: [] };
  });
  const [first, second, third] = samples;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  first.pauses.push({ at: at + 500, ms: 80, cpuMs: 80 }, { at: at + 900, ms: 30, cpuMs: 30 });
  second.collections.push({ at: at + 495, ms: 60 }); // noted a second later
  second.pauses.push({ at: at + 1500, ms: 70, cpuMs: 5 });
  third.pauses.push({ at: at + 2500, ms: 90, cpuMs: 88 });
  third.longestPauseMs = 90;
  const verdict = judge(samples);
  assert.equal(verdict.rssMbPerHour.toFixed(3), '100.000');
  assert.equal(verdict.heapMbPerHour, 0);
  assert.deepEqual([verdict.pauses, verdict.unexplained.map(({ ms }) => ms), verdict.ours], [3, [70, 90], 1]);
  assert.deepEqual([verdict.longestPauseMs, verdict.longestCollectionMs], [90, 60]);
  assert.throws(() => judge(samples.slice(0, 9)), /at least 10 samples/);
});
