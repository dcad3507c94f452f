import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Folder, run, RunningCommand } from './command.ts';

const STORE = ['--store', 'sqlite:r.db'];

async function serve(folder: Folder, port: string): Promise<{ command: RunningCommand; url: string }> {
  const command = new RunningCommand(['serve', '--port', port, ...STORE, '--drain-seconds', '1'], { folder: folder.path });
  return { command, url: (await command.line()).replace('ringback listening on ', '') };
}

test('open, listen and send work together, over a server that is killed and started again', async () => {
  await using folder = await Folder.make();
  const first = await serve(folder, '0');
  await using _first = first.command;
  const { url } = first;
  const call = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await run([...args, '--url', url, ...STORE], { folder: folder.path });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const { id, accessToken } = await call('open', '--reference', 'order-7', '--metadata', '{"a":1}');
  assert.equal(typeof id, 'string');
  await call('send', String(id), '--type', 'early', '--data', '1');
  await using listener = new RunningCommand([
    'listen',
    String(id),
    '--token',
    String(accessToken),
    '--url',
    url,
    '--once',
    'paid',
  ]);
  await listener.line(0);
  const handled = await call('send', String(id), '--type', 'live', '--data', '{"n":2}', '--id', 'live-1', '--wait', '10');
  assert.equal(handled['status'], 'handled');

  first.command.child.kill('SIGKILL');
  await first.command.end;
  await listener.until(() => listener.stderr.includes('trying again'), 'the loss of the connection');
  const second = await serve(folder, new URL(url).port);
  await using _second = second.command;
  const repeated = await call('send', String(id), '--type', 'live', '--data', '{"n":2}', '--id', 'live-1');
  assert.equal(repeated['duplicate'], true);
  await call('send', String(id), '--type', 'paid', '--data', '{"n":3}');

  const { code, stdout, stderr } = await listener.end;
  assert.equal(code, 0, stderr);
  const messages = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    messages.map(({ sequence, type, data }) => ({ sequence, type, data })),
    [
      { sequence: 1, type: 'early', data: 1 },
      { sequence: 2, type: 'live', data: { n: 2 } },
      { sequence: 3, type: 'paid', data: { n: 3 } },
    ],
  );
  assert.deepEqual(Object.keys(messages[0]), ['id', 'sequence', 'type', 'data', 'time']);
  assert.ok(!(stdout + stderr).includes(String(accessToken)));
});

test('listen refuses the token of another transaction', async () => {
  await using folder = await Folder.make();
  const { command, url } = await serve(folder, '0');
  await using _command = command;
  const opened = await Promise.all([1, 2].map(() => run(['open', '--url', url, ...STORE], { folder: folder.path })));
  const [one, two] = opened.map(({ stdout }) => JSON.parse(stdout));
  const { code, stderr } = await run(['listen', one.id, '--token', two.accessToken, '--url', url]);
  assert.equal(code, 1);
  assert.match(stderr, /not, or no longer, good for this transaction/);
});
