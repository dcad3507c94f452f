import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Checkout } from './checkout.ts';

const PROGRAM = 'console.log("program on", process.execPath);';
const LIMIT = { timeout: 15_000 };

test('a fresh clone is installed once, and stdout holds only what the program says', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const first = checkout.run(['ringback']);
  const install = await checkout.nextInstall();
  assert.match(install.command, /^ci .*--include=dev.*--ignore-scripts/);
  install.answer('ok');
  const { code, stdout, stderr } = await first.end;
  assert.equal(code, 0);
  assert.equal(stdout, `program on ${process.execPath}\n`);
  assert.match(stderr, /^\[setup\] installing packages/);
  assert.match(stderr, /npm talks/);

  const second = await checkout.run(['ringback']).end;
  assert.deepEqual(second, { code: 0, signal: null, stdout, stderr: '' });
  assert.equal(checkout.installs, 1);
});

test('a changed lockfile is installed again', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  for (const lockfile of ['{"one":1}', '{"two":2}']) {
    checkout.write('package-lock.json', lockfile);
    const run = checkout.run(['ringback']);
    (await checkout.nextInstall()).answer('ok');
    assert.equal((await run.end).code, 0);
  }
  assert.equal(checkout.installs, 2);
});

test('of two at the same moment one installs and the other waits for it', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const first = checkout.run(['ringback']);
  const install = await checkout.nextInstall();
  const second = checkout.run(['ringback']);
  await second.seen('stderr', 'another process is installing packages; waiting');
  install.answer('ok');
  const ends = await Promise.all([first.end, second.end]);
  assert.deepEqual(
    ends.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(checkout.installs, 1);
});

test('a lock whose holder died is taken over, and none is left', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const lock = join(checkout.root, '.cache', 'packages.lock');
  mkdirSync(lock, { recursive: true });
  const { pid } = spawnSync(process.execPath, ['--version']);
  writeFileSync(join(lock, 'owner'), `${pid}-of-a-dead-one`);
  const runs = [checkout.run(['ringback']), checkout.run(['ringback'])];
  (await checkout.nextInstall()).answer('ok');
  for (const run of runs) assert.equal((await run.end).code, 0);
  assert.equal(checkout.installs, 1);
  assert.deepEqual(checkout.cached(), []);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
  test(`${signal} during an install ends npm too, and the next run repairs`, LIMIT, async () => {
    await using checkout = await Checkout.create(PROGRAM);
    const killed = checkout.run(['ringback']);
    const install = await checkout.nextInstall();
    killed.child.kill(signal);
    await install.gone;
    const end = await killed.end;
    assert.equal(end.signal, signal);
    assert.equal(end.stdout, '');
    assert.ok(!existsSync(join(checkout.root, 'node_modules', '.install-stamp')));
    if (signal !== 'SIGKILL') assert.deepEqual(checkout.cached(), []);

    const next = checkout.run(['ringback']);
    (await checkout.nextInstall()).answer('ok');
    assert.equal((await next.end).code, 0);
  });
}

test('a failed install says so, passes its exit code on, runs nothing, and is tried again', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const failed = checkout.run(['ringback']);
  (await checkout.nextInstall()).answer(9);
  const { code, stdout, stderr } = await failed.end;
  assert.equal(code, 9);
  assert.equal(stdout, '');
  assert.match(stderr, /could not install packages: npm ci ended with 9/);

  const next = checkout.run(['ringback']);
  (await checkout.nextInstall()).answer('ok');
  assert.equal((await next.end).code, 0);
});

test('a host whose Node cannot run TypeScript gets one for this project, once', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const oldNode = ['--no-experimental-strip-types'];
  const first = checkout.run(['ringback'], oldNode);
  const node = await checkout.nextInstall();
  assert.match(node.command, /^install node-\w+-\w+@24\.21\.0 --prefix .*--ignore-scripts/);
  node.answer('ok');
  (await checkout.nextInstall()).answer('ok');
  const { code, stdout } = await first.end;
  assert.equal(code, 0);
  assert.equal(stdout, `program on ${process.execPath}\n`); // the fake npm links to it
  assert.deepEqual(checkout.cached(), ['node-24.21.0']);

  assert.equal((await checkout.run(['ringback'], oldNode).end).code, 0);
  assert.equal(checkout.installs, 2);
});

test('a Node that was installed half is installed again', LIMIT, async () => {
  await using checkout = await Checkout.create(PROGRAM);
  const oldNode = ['--no-experimental-strip-types'];
  const killed = checkout.run(['ringback'], oldNode);
  await checkout.nextInstall();
  killed.child.kill('SIGTERM');
  assert.equal((await killed.end).signal, 'SIGTERM');

  const next = checkout.run(['ringback'], oldNode);
  for (let left = 2; left > 0; left -= 1) (await checkout.nextInstall()).answer('ok');
  assert.equal((await next.end).code, 0);
});
