import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Folder, run } from './command.ts';
import { FakeServer } from './fake-server.ts';

const KEY = 'key-of-the-test-0123456789';
const environment = { RINGBACK_API_KEY: `${KEY},another-key-0123456789` };

test('open posts what was asked for with the first key, and prints the answer as one line', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 201, body: '{ "id": "txn_1",\n "accessToken": "t" }' }];
  const options = ['--ttl-seconds', '60', '--reference', 'order "7"', '--metadata', '{"n": 12345678901234567890}'];
  const { code, stdout, stderr } = await run(['open', '--url', fake.url, ...options], { environment });
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '{"id":"txn_1","accessToken":"t"}\n', stderr: '' });
  const [request] = fake.requests;
  assert.equal(`${request?.method} ${request?.url}`, 'POST /v1/transactions');
  assert.equal(request?.headers.authorization, `Bearer ${KEY}`);
  assert.equal(request?.body, '{"ttlSeconds":60,"reference":"order \\"7\\"","metadata":{"n":12345678901234567890}}');
});

test('send posts type, data and id digit for digit', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 202, body: '{"id":"k","sequence":1,"status":"stored","duplicate":false}' }];
  const args = [
    'send',
    'txn_a/b',
    '--type',
    'paid',
    '--data',
    '{"big": 12345678901234567890}',
    '--id',
    'k',
    '--url',
    `${fake.url}/`,
  ];
  const { code, stdout } = await run(args, { environment });
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).sequence, 1);
  const [request] = fake.requests;
  assert.equal(`${request?.method} ${request?.url}`, 'POST /v1/transactions/txn_a%2Fb/messages');
  assert.equal(request?.body, '{"type":"paid","data":{"big":12345678901234567890},"id":"k"}');
  assert.equal(request?.headers['prefer'], undefined);
});

test('send reads data from a file, and from stdin', async () => {
  await using fake = await FakeServer.start();
  await using folder = await Folder.make();
  await writeFile(folder.file('data.json'), '\uFEFF[1,\n2]');
  const common = { environment, folder: folder.path };
  const fromFile = await run(['send', 'txn_1', '--type', 'a', '--data', '@data.json', '--url', fake.url], common);
  const fromInput = await run(['send', 'txn_1', '--type', 'a', '--data', '@-', '--url', fake.url], { ...common, input: '"in"' });
  assert.deepEqual([fromFile.code, fromInput.code], [0, 0]);
  assert.deepEqual(
    fake.requests.map((request) => request.body),
    ['{"type":"a","data":[1,2]}', '{"type":"a","data":"in"}'],
  );
});

test('send with --wait asks the server to wait, and ends with 0 when the page handled it', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 200, body: '{"status":"handled","reply":1.50}' }];
  const { code, stdout } = await run(['send', 'txn_1', '--type', 'a', '--data', '1', '--wait', '5', '--url', fake.url], {
    environment,
  });
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '{"status":"handled","reply":1.50}\n' });
  assert.equal(fake.requests[0]?.headers['prefer'], 'wait=5');
});

test('send with --wait ends with 1 when the page failed, with the answer on stdout', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 200, body: '{"status":"failed","error":"no"}' }];
  const { code, stdout, stderr } = await run(['send', 'txn_1', '--type', 'a', '--data', '1', '--wait', '5', '--url', fake.url], {
    environment,
  });
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '{"status":"failed","error":"no"}\n' });
  assert.match(stderr, /the page could not handle it/);
});

test('shows the code, the detail and the fields of an error, and ends with 1', async () => {
  await using fake = await FakeServer.start();
  const errors = [{ field: '/type', message: 'expected 1 to 100 characters' }];
  fake.answers = [{ status: 422, body: JSON.stringify({ code: 'invalid_request', title: 'T', detail: 'D', errors }) }];
  const { code, stdout, stderr } = await run(['open', '--url', fake.url], { environment });
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.equal(stderr, 'ringback: invalid_request: D (/type: expected 1 to 100 characters)\n');
});

test('shows the title of an error without a detail', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [{ status: 503, body: '{"code":"store_unavailable","title":"The store cannot answer now."}' }];
  const { code, stderr } = await run(['open', '--url', fake.url], { environment });
  assert.deepEqual({ code, stderr }, { code: 1, stderr: 'ringback: store_unavailable: The store cannot answer now.\n' });
});

test('says so when what answers is no Ringback server', async () => {
  await using fake = await FakeServer.start();
  fake.answers = [
    { status: 502, body: '<html>' },
    { status: 200, body: '<html>' },
  ];
  const refused = await run(['open', '--url', fake.url], { environment });
  const odd = await run(['open', '--url', fake.url], { environment });
  assert.deepEqual([refused.code, odd.code], [1, 1]);
  assert.match(refused.stderr, /the server answered 502/);
  assert.match(odd.stderr, /does not answer like a Ringback server/);
});

test('names the address when nothing listens there, and ends with 1', async () => {
  const fake = await FakeServer.start();
  const { url } = fake;
  await fake[Symbol.asyncDispose]();
  const { code, stderr } = await run(['open', '--url', url], { environment });
  assert.equal(code, 1);
  assert.equal(stderr, `ringback: cannot reach ${url}: nothing listens there (ECONNREFUSED)\n`);
});

test('takes the URL from RINGBACK_URL, and counts an empty one as absent', async () => {
  await using fake = await FakeServer.start();
  const found = await run(['open'], { environment: { ...environment, RINGBACK_URL: fake.url } });
  const absent = await run(['open', '--url', fake.url], { environment: { ...environment, RINGBACK_URL: '' } });
  assert.deepEqual([found.code, absent.code, fake.requests.length], [0, 0, 2]);
});

test('without RINGBACK_API_KEY the key is read from beside the database that --store or RINGBACK_STORE names', async () => {
  await using fake = await FakeServer.start();
  await using folder = await Folder.make();
  await writeFile(folder.file('r.db.api-key'), `${KEY}\n`, { mode: 0o600 });
  const options = { folder: folder.path, environment: { RINGBACK_API_KEY: '' } };
  const byFlag = await run(['open', '--url', fake.url, '--store', 'sqlite:./r.db'], options);
  const byVariable = await run(['open', '--url', fake.url], { ...options, environment: { RINGBACK_STORE: 'sqlite:r.db' } });
  assert.deepEqual([byFlag.code, byVariable.code], [0, 0], byFlag.stderr);
  assert.deepEqual(
    fake.requests.map((request) => request.headers.authorization),
    [`Bearer ${KEY}`, `Bearer ${KEY}`],
  );
});

test('names the file where a key was expected when there is none, and ends with 2', async () => {
  await using folder = await Folder.make();
  const { code, stderr } = await run(['open'], { folder: folder.path });
  assert.equal(code, 2);
  assert.match(stderr, /RINGBACK_API_KEY is not set, and there is no file \.\/data\/ringback\.db\.api-key/);
});

test('an empty key file is an error that says what to do', async () => {
  await using folder = await Folder.make();
  await writeFile(folder.file('r.db.api-key'), '\n');
  const { code, stderr } = await run(['send', 'txn_1', '--type', 'a', '--data', '1', '--store', 'sqlite:r.db'], {
    folder: folder.path,
  });
  assert.equal(code, 1);
  assert.match(stderr, /the API key file r\.db\.api-key is empty; delete it/);
});

test('refuses a key that no header could hold, without repeating it', async () => {
  for (const key of ['canary canary canary', `${KEY},canary\u00e9`, `${KEY},${'canary'.repeat(100)}`]) {
    const { code, stderr } = await run(['open'], { environment: { RINGBACK_API_KEY: key } });
    assert.equal(code, 2);
    assert.match(stderr, /RINGBACK_API_KEY: expected 1 to 512 printable ASCII characters/);
    assert.doesNotMatch(stderr, /canary|key-of-the-test/);
  }
});
