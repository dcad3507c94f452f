import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const REPORTER = fileURLToPath(new URL('../../scripts/strict-reporter.mjs', import.meta.url));

/** Runs Node's test runner over one file with this source, or over none. */
function outcomeOf(source: string | undefined, ci: boolean, idleMs = 60_000) {
  const folder = mkdtempSync(join(tmpdir(), 'ringback-reporter-'));
  try {
    if (source !== undefined) writeFileSync(join(folder, 'a.test.mjs'), `import { test } from 'node:test';\n${source}`);
    const reporters = [`--test-reporter=${REPORTER}`, '--test-reporter-destination=stderr'];
    const spec = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
    const { NODE_TEST_CONTEXT: _nested, CI: _ci, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--test', ...reporters, ...spec, '*.test.mjs'], {
      cwd: folder,
      env: { ...env, TEST_IDLE_MS: String(idleMs), ...(ci ? { CI: 'true' } : {}) },
      encoding: 'utf8',
    });
    const pid = existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : '';
    return { status, stdout, stderr, pid, lastLines: stdout.trimEnd().split('\n').slice(-8) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a run in which every test was executed passes, and Node’s own summary closes the output', () => {
  const { status, stderr, lastLines } = outcomeOf('test("one", () => {}); test("two", () => {});', true);
  assert.equal(status, 0);
  assert.equal(stderr, '');
  assert.match(lastLines.join('\n'), /^ℹ tests 2\nℹ suites 0\nℹ pass 2\nℹ fail 0\n/);
});

for (const [what, source] of [
  ['skipped', 'test("one", () => {}); test("left out", { skip: true }, () => {});'],
  ['skipped', 'test("one", () => {}); test("left out", (t) => t.skip("no server here"));'],
  ['a todo', 'test("one", () => {}); test("left out", { todo: "later" }, () => {});'],
] as const) {
  test(`under CI a test that is ${what} by ${source.slice(23)} fails the run, elsewhere it does not`, () => {
    const strict = outcomeOf(source, true);
    assert.equal(strict.status, 1);
    assert.equal(strict.stderr, `[strict] "left out" was ${what}, which CI does not allow\n`);
    assert.equal(outcomeOf(source, false).status, 0);
  });
}

test('a file without a test fails the run', () => {
  const { status, stderr } = outcomeOf('', false);
  assert.equal(status, 1);
  assert.match(stderr, /a\.test\.mjs holds no test/);
});

test('a run without a file, or whose tests were all skipped, fails', () => {
  for (const source of [undefined, 'test("left out", { skip: true }, () => {});']) {
    const { status, stderr } = outcomeOf(source, false);
    assert.equal(status, 1);
    assert.match(stderr, /no test was executed/);
  }
});

test('a file that leaves something running is ended, named and fails the run', { timeout: 20_000 }, () => {
  const leak =
    'import { writeFileSync } from "node:fs"; writeFileSync("pid", String(process.pid)); setInterval(() => {}, 1_000);';
  const { status, stderr, stdout, pid } = outcomeOf(`${leak} test("one", () => {});`, false, 1_500);
  assert.equal(status, 1);
  assert.match(stderr, /nothing happened for 1\.5 s/);
  assert.match(stdout, /Interrupted while running:\s+⚠ a\.test\.mjs/);
  assert.match(pid, /^\d+$/);
  assert.ok(!existsSync(`/proc/${pid}/exe`), 'it is gone, or a zombie where nobody reaps'); // Linux only
});

test('a failing test still fails the run', () => {
  assert.equal(outcomeOf('test("one", () => { throw new Error("broken"); });', false).status, 1);
});
