import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { Folder, run, RunningCommand, type CommandOptions } from './command.ts';

const KEY = 'canary-key-0123456789';
const LISTENING = /^ringback listening on (http:\/\/127\.0\.0\.1:[1-9]\d*)$/;

async function serve(
  folder: Folder,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<{ command: RunningCommand; url: string }> {
  const command = new RunningCommand(['serve', '--port', '0', ...args], { folder: folder.path, ...options });
  const url = LISTENING.exec(await command.line())?.[1];
  assert.ok(url !== undefined, command.lines[0]);
  return { command, url };
}

async function open(url: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/transactions`, { method: 'POST', headers, body: '{}' });
  await response.arrayBuffer();
  return response.status;
}

/** Log lines; fails when stderr has anything else. */
function logOf(stderr: string): Record<string, unknown>[] {
  return stderr
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('says where it listens in exactly one line, makes a key for its owner only, and drains on SIGTERM with 0', async () => {
  await using folder = await Folder.make();
  const { command, url } = await serve(folder, ['--store', 'sqlite:./data/r.db']);
  await using _command = command;
  const file = folder.file('data/r.db.api-key');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const key = (await readFile(file, 'utf8')).trim();
  assert.equal(await open(url, key), 201);
  assert.equal(await open(url, `${key}x`), 401);
  command.child.kill('SIGTERM');
  const { code, stdout, stderr } = await command.end;
  assert.equal(code, 0);
  assert.equal(stdout.split('\n').length, 2);
  assert.ok(!(stdout + stderr).includes(key));
  assert.equal(logOf(stderr).filter((line) => line['file'] === './data/r.db.api-key').length, 1);
  assert.deepEqual(
    (await readdir(folder.file('data'))).filter((name) => name.includes('.new')),
    [],
  );
});

test('a second start finds the key of the first', async () => {
  await using folder = await Folder.make();
  const keys: string[] = [];
  for (let start = 0; start < 2; start++) {
    const { command, url } = await serve(folder, ['--store', 'sqlite:r.db']);
    await using _command = command;
    const key = (await readFile(folder.file('r.db.api-key'), 'utf8')).trim();
    assert.equal(await open(url, key), 201);
    keys.push(key);
    command.child.kill('SIGINT');
    assert.equal((await command.end).code, 0);
  }
  assert.equal(keys[0], keys[1]);
});

test('warns when others may read the key file', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('r.db.api-key'), `${KEY}\n`);
  await chmod(folder.file('r.db.api-key'), 0o644);
  const { command, url } = await serve(folder, ['--store', 'sqlite:r.db']);
  await using _command = command;
  assert.equal(await open(url, KEY), 201);
  const [warning] = logOf(command.stderr).filter((line) => line['level'] === 'warn');
  assert.deepEqual([warning?.['event'], warning?.['mode']], ['api_key.file_mode', '0644']);
  assert.ok(!command.stderr.includes(KEY));
});

test('an empty key file stops the start with one clear line', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('r.db.api-key'), '', { mode: 0o600 });
  const { code, stdout, stderr } = await run(['serve', '--port', '0', '--store', 'sqlite:r.db'], { folder: folder.path });
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /^ringback: the API key file r\.db\.api-key is empty; delete it .*\n$/);
});

test('a key file that cannot be read stops the start, naming it', async () => {
  await using folder = await Folder.make();
  // A folder is unreadable as a file to everybody, root included.
  await mkdir(folder.file('r.api-key'), { mode: 0o700 });
  const { code, stderr } = await run(['serve', '--port', '0', '--store', 'sqlite:r'], { folder: folder.path });
  assert.equal(code, 1);
  assert.match(stderr, /cannot read the API key file r\.api-key \(EISDIR\)/);
});

test('a key file that cannot be made stops the start, naming it', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('plain'), '');
  const { code, stderr } = await run(['serve', '--port', '0', '--store', 'sqlite:plain/r.db'], { folder: folder.path });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^ringback: cannot make the API key file plain\/r\.db\.api-key \(E\w+\); RINGBACK_API_KEY can be set instead\n$/,
  );
});

test('with memory: the key is in a temporary file, readable by its owner only, that goes with the process', async () => {
  await using folder = await Folder.make();
  const { command, url } = await serve(folder, ['--store', 'memory:', '--log-level', 'silent']);
  await using _command = command;
  const lines = logOf(command.stderr);
  assert.equal(lines.length, 1);
  const file = String(lines[0]?.['file']);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal(await open(url, (await readFile(file, 'utf8')).trim()), 201);
  command.child.kill('SIGTERM');
  assert.equal((await command.end).code, 0);
  await assert.rejects(stat(file), { code: 'ENOENT' });
  assert.deepEqual(await readdir(folder.path), []);
});

test('RINGBACK_API_KEY holds several keys, and then no file is made and none is named', async () => {
  await using folder = await Folder.make();
  const environment = { RINGBACK_API_KEY: `${KEY}, ${KEY}-2` };
  const { command, url } = await serve(folder, ['--store', 'sqlite:r.db'], { environment });
  await using _command = command;
  assert.deepEqual([await open(url, KEY), await open(url, `${KEY}-2`), await open(url, `${KEY}-3`)], [201, 201, 401]);
  assert.ok(!(await readdir(folder.path)).includes('r.db.api-key'));
  command.child.kill('SIGTERM');
  const { stdout, stderr } = await command.end;
  assert.ok(!(stdout + stderr).includes(KEY));
});

test('a short key is taken with a warning, and not repeated', async () => {
  await using folder = await Folder.make();
  const { command, url } = await serve(folder, ['--store', 'memory:'], { environment: { RINGBACK_API_KEY: 'canary,,' } });
  await using _command = command;
  assert.equal(await open(url, 'canary'), 201);
  command.child.kill('SIGTERM');
  const { stderr } = await command.end;
  assert.match(stderr, /"event":"api_key.short"/);
  assert.doesNotMatch(stderr, /canary/);
});

for (const [what, key] of [
  ['with a space', 'canary key of many words'],
  ['that no header could hold', 'canary'.repeat(100)],
] as const) {
  test(`a key ${what} ends the start with 2 and is not repeated`, async () => {
    const { code, stderr } = await run(['serve', '--port', '0', '--store', 'memory:'], {
      environment: { RINGBACK_API_KEY: key },
    });
    assert.equal(code, 2);
    assert.match(stderr, /^ringback: RINGBACK_API_KEY: expected 1 to 512 printable/);
    assert.doesNotMatch(stderr, /canary/);
  });
}

test('reads the configuration file that --config or RINGBACK_CONFIG names', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('r.json'), '\uFEFF{"store": "memory:", "logLevel": "silent", "limits": {"ttlSecondsMax": 5}}');
  const environment = { RINGBACK_CONFIG: 'r.json', RINGBACK_API_KEY: KEY };
  const { command, url } = await serve(folder, [], { environment });
  await using _command = command;
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/v1/transactions`, { method: 'POST', headers, body: '{"ttlSeconds":6}' });
  assert.equal(response.status, 422);
});

for (const [what, text, line] of [
  ['is not JSON', '{"store": canary}', /^ringback: r\.json: not valid JSON( \(line 1 column \d+\))?\n$/],
  ['has an unknown key', '{"stroe": "canary"}', /^ringback: stroe in r\.json: unknown key; did you mean "store"\?\n$/],
  [
    'has an unknown limit',
    '{"limits": {"messageByte": 1}}',
    /^ringback: limits\.messageByte in r\.json: unknown key; did you mean "messageBytes"\?\n$/,
  ],
  [
    'has a source without its variable',
    '{"webhooks": {"a": {"preset": "standard-webhooks", "secrets": [{"env": "NOT_SET"}], "transaction": "/a"}}}',
    /NOT_SET is not set\n$/,
  ],
] as const) {
  test(`a configuration file that ${what} ends the start with 2 and one line`, async () => {
    await using folder = await Folder.make();
    await writeFile(folder.file('r.json'), text);
    const { code, stdout, stderr } = await run(['serve', '--config', 'r.json'], { folder: folder.path });
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    assert.match(stderr, line);
    assert.doesNotMatch(stderr, /canary/);
  });
}

test('a port of the metrics or of the peers that is taken is named with its option', { skip: noPostgres }, async () => {
  await using folder = await Folder.make();
  await using database = await temporaryDatabase();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  try {
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const place = `127.0.0.1:${address.port}`;
    for (const [option, args, hint] of [
      ['--metrics-port', ['--store', 'sqlite:r.db'], '--metrics-port'],
      ['--peer-port', ['--store', database.url, '--peer-host', '127.0.0.1'], '--peer-port and --peer-host'],
    ] as const) {
      const { code, stderr } = await run(['serve', '--port', '0', option, String(address.port), ...args], {
        folder: folder.path,
        environment: { RINGBACK_API_KEY: 'a-key-of-a-test-0123456789' },
      });
      assert.equal(code, 1);
      const last = stderr.trimEnd().split('\n').at(-1);
      assert.equal(last, `ringback: cannot listen on ${place}: the port is in use (EADDRINUSE); see ${hint}`);
    }
  } finally {
    other.close();
  }
});

test('a port that is taken ends the start with 1, naming it, and leaves no key behind', async () => {
  await using folder = await Folder.make();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  try {
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const args = ['serve', '--port', String(address.port), '--store', 'sqlite:r.db'];
    const { code, stdout, stderr } = await run(args, { folder: folder.path });
    assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
    assert.equal(stderr, `ringback: cannot listen on 127.0.0.1:${address.port}: the port is in use (EADDRINUSE)\n`);
    assert.ok(!(await readdir(folder.path)).includes('r.db.api-key'));
  } finally {
    other.close();
  }
});

test('a second process on the file ends with 1, naming the file, and takes nothing away', async () => {
  await using folder = await Folder.make();
  const { command, url } = await serve(folder, ['--store', 'sqlite:r.db']);
  await using _command = command;
  const { code, stdout, stderr } = await run(['serve', '--port', '0', '--store', 'sqlite:r.db'], { folder: folder.path });
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /^ringback: .*r\.db.*\n$/);
  assert.equal(await open(url, (await readFile(folder.file('r.db.api-key'), 'utf8')).trim()), 201);
});

test('a file that is no database ends the start with 1, naming it, and gets no key beside it', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('notes.txt'), 'These are notes, and not a database.');
  const { code, stderr } = await run(['serve', '--port', '0', '--store', 'sqlite:notes.txt'], { folder: folder.path });
  assert.equal(code, 1);
  assert.match(stderr, /^ringback: .*notes\.txt.*\n$/);
  assert.ok(!(await readdir(folder.path)).includes('notes.txt.api-key'));
});

test('listens on IPv6 and says so with brackets', async (context) => {
  await using folder = await Folder.make();
  await using command = new RunningCommand(['serve', '--port', '0', '--host', '::1', '--store', 'memory:'], {
    folder: folder.path,
  });
  const line = await Promise.race([command.line().catch(() => ''), command.end.then(() => '')]);
  if (line === '' && /no such/.test(command.stderr)) return context.skip('this machine has no IPv6');
  assert.match(line, /^ringback listening on http:\/\/\[::1\]:\d+$/, command.stderr);
});

test('a parent that dies is a reason to stop', async () => {
  await using folder = await Folder.make();
  const { command } = await serve(folder, ['--store', 'memory:'], { hasChannel: true });
  await using _command = command;
  command.child.disconnect();
  const { code, stderr } = await command.end;
  assert.equal(code, 0);
  assert.equal(logOf(stderr).find((line) => line['event'] === 'process.stopping')?.['cause'], 'disconnect');
});

test('every line on stderr is JSON with level, time and event', async () => {
  await using folder = await Folder.make();
  const { command } = await serve(folder, ['--store', 'memory:', '--log-level', 'debug']);
  await using _command = command;
  command.child.kill('SIGTERM');
  const lines = logOf((await command.end).stderr);
  assert.ok(lines.length >= 3);
  for (const line of lines) {
    assert.match(String(line['level']), /^(debug|info|warn|error)$/);
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof line['event'], 'string');
  }
});

test('a fault that nobody caught is logged as an error, and ends the process with 1', async () => {
  await using folder = await Folder.make();
  const fault = "process.on('SIGUSR2', () => { throw new Error('boom'); })";
  const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` };
  const { command } = await serve(folder, ['--store', 'memory:'], { environment });
  await using _command = command;
  command.child.kill('SIGUSR2');
  const { code, stderr } = await command.end;
  assert.equal(code, 1);
  const last = logOf(stderr).at(-1);
  assert.deepEqual([last?.['level'], last?.['event']], ['error', 'process.crashed']);
  assert.match(JSON.stringify(last), /boom/);
  assert.deepEqual(await readdir(folder.path), [], 'the temporary key file is gone');
});
