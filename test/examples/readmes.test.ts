/** What the examples' READMEs say of commands and lines. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { blocksOf, readPage, ROOT } from '../docs/blocks.ts';
import { blockOf, FLAGS } from './running.ts';

const names = readdirSync(join(ROOT, 'examples')).filter((name) => existsSync(join(ROOT, 'examples', name, 'server.ts')));

/** `[text](path#L3-L5)`, the text with or without a code span. */
function linksIn(page: string): { code: string; path: string; first: number; last: number }[] {
  const links = readPage(page).matchAll(/\[([^\]]+)\]\((?!https?:)([^)#\s]+)(?:#L(\d+)(?:-L(\d+))?)?\)/gu);
  return [...links].map(([, text = '', path = '', first = '0', last = first]) => ({
    code: /^`([^`]+)`$/u.exec(text)?.[1] ?? '',
    path: join(dirname(page), path),
    first: Number(first),
    last: Number(last),
  }));
}

test('all examples are seen', () => {
  assert.deepEqual(names.toSorted(), ['article', 'express', 'fastify', 'node-http', 'outbox', 'react-router']);
});

for (const name of names) {
  test(`${name}: its README starts it with one command, and each line that it names has what it says`, () => {
    assert.equal(blockOf(name, 'bash start'), `npm run example ${name}`);
    const links = linksIn(`examples/${name}/README.md`);
    assert.ok(links.filter(({ first }) => first > 0).length >= 6, `only ${links.length} links were seen`);
    for (const { code, path, first, last } of links) {
      assert.ok(existsSync(join(ROOT, path)), `${path} does not exist`);
      if (first === 0) continue;
      const lines = readFileSync(join(ROOT, path), 'utf8')
        .split('\n')
        .slice(first - 1, last);
      assert.ok(code !== '' && lines.join('\n').includes(code), `${path}#L${first} does not have ${code}`);
    }
  });

  test(`${name}: no block of its README is left out by the tests`, () => {
    const blocks = blocksOf(`examples/${name}/README.md`).map((block) => `${block.language} ${block.name}`);
    const expected =
      name === 'article'
        ? ['bash start', 'bash test', 'json test prints', 'diff azure']
        : name === 'outbox'
          ? ['bash start', 'bash pay', 'json paid']
          : ['bash start', 'text pay', 'text paid'];
    assert.deepEqual(blocks, expected);
  });
}

test('npm run example runs what these tests run', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readPage('package.json'));
  assert.equal(scripts['example'], 'exec node scripts/run.mjs example');
  // Without arguments it only says how it is used; with what flags Node runs it, its stack does not tell, but its report does.
  const report = spawnSync(process.execPath, ['scripts/run.mjs', 'example', 'pay.ts'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(report.status, 1);
  assert.match(report.stderr, /usage: pay\.ts <url> <secret> <order>/u);
  const source = readPage('scripts/run.mjs');
  for (const flag of FLAGS) assert.ok(source.includes(`'${flag}'`), `${flag} is not in scripts/run.mjs`);
});
