import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Checkout, type Run } from './checkout.ts';

const LIMIT = { timeout: 15_000 };

/** Tells each signal; SIGINT ends it. */
const COUNTS_SIGNALS = `
setInterval(() => {}, 1_000);
process.on('SIGTERM', () => console.log('terminate'));
process.on('SIGINT', () => { console.log('interrupt'); process.exit(0); });
console.log('ready');
`;

/** The checkout, with everything installed. */
async function installed(program: string): Promise<Checkout> {
  const checkout = await Checkout.create('');
  const run = checkout.run(['ringback']);
  (await checkout.nextInstall()).answer('ok');
  await run.end;
  checkout.write('src/cli/main.ts', program);
  return checkout;
}

async function started(checkout: Checkout): Promise<Run> {
  const run = checkout.run(['ringback']);
  await run.seen('stdout', 'ready\n');
  return run;
}

test('arguments, exit code and both outputs are the program’s own', LIMIT, async () => {
  await using checkout = await installed(
    'console.log(JSON.stringify(process.argv.slice(2))); console.error("talk"); process.exit(7);',
  );
  const end = await checkout.run(['ringback', 'send', '--data', '{"a b":"$c"}', '']).end;
  assert.deepEqual(end, { code: 7, signal: null, stdout: '["send","--data","{\\"a b\\":\\"$c\\"}",""]\n', stderr: 'talk\n' });
});

test('npm start serves the demo', LIMIT, async () => {
  await using checkout = await installed('console.log(process.argv.slice(2).join(" "));');
  assert.equal((await checkout.run(['start', '--port', '0']).end).stdout, 'serve --demo --port 0\n');
});

test('the signal that ended the program ends the launcher', LIMIT, async () => {
  await using checkout = await installed('process.kill(process.pid, "SIGKILL");');
  assert.equal((await checkout.run(['ringback']).end).signal, 'SIGKILL');
});

test('each signal reaches the program once, and its end is the launcher’s', LIMIT, async () => {
  await using checkout = await installed(COUNTS_SIGNALS);
  const run = await started(checkout);
  run.child.kill('SIGTERM');
  await run.seen('stdout', 'terminate\n');
  run.child.kill('SIGTERM');
  await run.seen('stdout', 'terminate\nterminate\n');
  run.child.kill('SIGINT');
  assert.deepEqual(await run.end, { code: 0, signal: null, stdout: 'ready\nterminate\nterminate\ninterrupt\n', stderr: '' });
});

test('kill -9 of the launcher takes the program along', LIMIT, async () => {
  await using checkout = await installed(COUNTS_SIGNALS);
  const run = await started(checkout);
  run.child.kill('SIGKILL');
  const { stdout } = await run.end; // only when the program let go of the launcher's output
  assert.equal(stdout, 'ready\n');
});

test('a program that forks and lets go of its child does not kill it', LIMIT, async () => {
  await using checkout = await installed(`
    import { fork } from 'node:child_process';
    if (process.argv[2] === 'child') process.once('disconnect', () => console.log('let go'));
    else fork(import.meta.filename, ['child']).once('spawn', function () { setTimeout(() => this.disconnect(), 200); });
  `);
  assert.equal((await checkout.run(['ringback']).end).stdout, 'let go\n');
});

test('an unknown task is refused by name', LIMIT, async () => {
  await using checkout = await Checkout.create('');
  const { code, stderr } = await checkout.run(['toString']).end;
  assert.equal(code, 2);
  assert.match(stderr, /unknown task "toString"; there are: start, ringback/);
});
