import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import type { Logger } from '../../src/logger.ts';
import { allowAnybody, Endpoint, type EndpointOptions, Hub } from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { negotiate, RawSocket, shake } from './raw-client.ts';

const hub = new Hub<string>({
  methods: {
    who: ({ connection }) => connection.principal,
    query: ({ connection }) => connection.request.url.search,
    header: ({ connection }, name) => connection.request.headers[String(name)] ?? null,
  },
});

async function start(options: Partial<EndpointOptions<string>> = {}) {
  return await startHubServer<string>({ handler: hub, authenticate: () => ({ principal: 'ada' }), ...options });
}

async function upgradeStatus(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers });
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  const status: unknown = response.statusCode;
  socket.terminate();
  return typeof status === 'number' ? status : undefined;
}

test('authenticate sees each kind of request, and the connection that it names', async () => {
  const seen: string[] = [];
  await using server = await start({
    authenticate({ kind, transport, connection }) {
      seen.push([kind, transport, connection === undefined ? 'unnamed' : 'named'].join(' '));
      return { principal: 'ada' };
    },
  });
  const polled = await negotiate(server.url);
  await fetch(polled.url);
  await fetch(polled.url, { method: 'POST', body: shake });
  await fetch(polled.url);
  await fetch(polled.url, { method: 'DELETE' });
  const socketed = await negotiate(server.url);
  using _socket = await RawSocket.join(socketed.url);
  assert.deepEqual(seen, [
    'negotiate  unnamed',
    'connect LongPolling named',
    'send  named',
    'poll LongPolling named',
    'terminate  named',
    'negotiate  unnamed',
    'connect WebSockets named',
  ]);
});

test('a refusal is the same for every request, before anything is told about the connection', async () => {
  await using server = await start({ authenticate: () => ({ status: 401, headers: { 'WWW-Authenticate': 'Bearer' } }) });
  for (const [method, path] of [
    ['POST', '/negotiate'],
    ['GET', ''],
    ['GET', '?id=x'],
    ['POST', '?id=x'],
    ['DELETE', '?id=x'],
    ['PUT', ''],
    ['GET', '/negotiate'],
    ['GET', '/refresh'],
  ] as const) {
    const response = await fetch(`${server.url}${path}`, { method });
    assert.deepEqual(
      [response.status, response.statusText, await response.text()],
      [401, 'Unauthorized', ''],
      `${method} ${path}`,
    );
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
  }
  assert.equal(await upgradeStatus(server.url), 401);
});

test('an authenticate that fails answers 500 without a word', async () => {
  const failures = [
    () => Promise.reject(new Error('secret')),
    () => {
      throw new TypeError('secret');
    },
  ];
  for (const authenticate of failures) {
    await using server = await start({ authenticate });
    const response = await fetch(`${server.url}/negotiate`, { method: 'POST' });
    assert.deepEqual([response.status, await response.text()], [500, '']);
    assert.equal(await upgradeStatus(server.url), 500);
  }
});

test('another user on a later request is answered 403', async () => {
  let user = 'ada';
  await using server = await start({ authenticate: () => ({ principal: user }), isSameUser: (a, b) => a === b });
  const { url } = await negotiate(server.url);
  await fetch(url);
  user = 'eve';
  for (const method of ['GET', 'POST', 'DELETE']) {
    const response = await fetch(url, { method });
    assert.deepEqual([response.status, await response.text()], [403, 'The user associated with this connection changed.']);
  }
  const other = await negotiate(server.url);
  user = 'ada';
  assert.equal(await upgradeStatus(other.url), 403);
});

test('negotiate hands out a token or another address', async () => {
  await using server = await start({ onNegotiate: (_request, principal) => ({ accessToken: `ticket for ${principal}` }) });
  const answer: unknown = await (await fetch(`${server.url}/negotiate?negotiateVersion=1`, { method: 'POST' })).json();
  assert.ok(typeof answer === 'object' && answer !== null && 'accessToken' in answer && 'connectionToken' in answer);
  assert.equal(answer.accessToken, 'ticket for ada');
  await using elsewhere = await start({ onNegotiate: () => ({ url: 'https://other.example/hub' }) });
  const redirect = await fetch(`${elsewhere.url}/negotiate?negotiateVersion=1`, { method: 'POST' });
  assert.equal(await redirect.text(), '{"url":"https://other.example/hub"}');
  assert.equal(elsewhere.endpoint.connectionCount, 0);
});

test('allowed origins get CORS headers and preflights, others none and no socket', async () => {
  await using server = await start({ isOriginAllowed: (origin) => origin === 'https://good.example' });
  const ask = (origin: string, method = 'POST') =>
    fetch(`${server.url}/negotiate?negotiateVersion=1`, {
      method,
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });
  const good = await ask('https://good.example');
  assert.equal(good.headers.get('access-control-allow-origin'), 'https://good.example');
  assert.equal(good.headers.get('access-control-allow-credentials'), 'true');
  assert.equal((await ask('https://good.example', 'OPTIONS')).status, 204);
  const bad = await ask('https://bad.example');
  assert.equal(bad.headers.get('access-control-allow-origin'), null);
  assert.equal((await ask('https://bad.example', 'OPTIONS')).status, 405);
  assert.equal(await upgradeStatus(server.url, { Origin: 'https://bad.example' }), 403);
});

test('an origin check that fails allows nobody and crashes nothing', async () => {
  await using server = await start({
    isOriginAllowed() {
      throw new TypeError('broken');
    },
  });
  const answer = await fetch(`${server.url}/negotiate`, { method: 'POST', headers: { Origin: 'https://any.example' } });
  assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [200, null]);
  assert.equal(await upgradeStatus(server.url, { Origin: 'https://any.example' }), 403);
});

test('the hub sees the query without the secrets in it, and no authorization header', async () => {
  await using server = await start();
  const { url } = await negotiate(server.url);
  using socket = await RawSocket.open(`${url}&access_token=secret&after=3`, { Authorization: 'Bearer secret', 'X-App': 'yes' });
  socket.send(shake);
  await socket.next();
  socket.call('query');
  assert.match(await socket.next(), /"result":"\?after=3"/);
  socket.call('header', 'authorization');
  assert.match(await socket.next(), /"result":null/);
  socket.call('header', 'x-app');
  assert.match(await socket.next(), /"result":"yes"/);
});

test('no token, id or payload is ever logged', async () => {
  const lines: string[] = [];
  const log = (fields: object, message?: string) =>
    void lines.push(
      JSON.stringify(fields, (_key, value) => (value instanceof Error ? `${value.stack} ${String(value.cause)}` : value)),
      String(message),
    );
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const handler = new Hub<string>({ methods: { fail: () => Promise.reject(new Error('of the app')) }, logger });
  await using server = await startHubServer<string>({ handler, logger, authenticate: () => ({ principal: 'ada' }) });
  const secrets: string[] = ['canary'];
  for (const garbage of [
    'canary\u001e',
    '{"canary":1}\u001e',
    `${shake}canary\u001e`,
    `${shake}{"type":1,"target":"fail","arguments":["canary"]}\u001e{"type":1,"target":"canary"}\u001e`,
  ]) {
    const { url } = await negotiate(server.url);
    secrets.push(new URL(url).searchParams.get('id') ?? assert.fail('there is a token'));
    using socket = await RawSocket.open(`${url}&access_token=canary`);
    socket.send(garbage);
    for (let message = ''; !message.startsWith('closed');) message = await socket.next();
  }
  const all = lines.join('\n');
  assert.ok(all.includes('signalr.connection.failed') && all.includes('of the app'), 'there are log lines to look at');
  for (const secret of secrets) assert.ok(!all.includes(secret), 'a secret was logged');
});

test('negotiated and abandoned connections are bounded and go by themselves', async () => {
  const clock = new ManualClock();
  await using server = await start({ clock, maxConnections: 200 });
  const statuses = new Map<number, number>();
  for (let n = 0; n < 300; n++) {
    const response = await fetch(`${server.url}/negotiate`, { method: 'POST' });
    await response.arrayBuffer();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  }
  assert.deepEqual(
    [...statuses],
    [
      [200, 200],
      [503, 100],
    ],
  );
  clock.advance(16_000);
  assert.equal(server.endpoint.connectionCount, 0);
  assert.equal((await fetch(`${server.url}/negotiate`, { method: 'POST' })).status, 200);
});

test('bad options are refused by name', () => {
  assert.throws(
    () => new Endpoint({ handler: hub, authenticate: () => ({ principal: '' }), pollTimeoutMs: -1 }),
    /pollTimeoutMs/,
  );
  assert.throws(
    () => new Endpoint({ handler: hub, authenticate: () => ({ principal: '' }), transports: JSON.parse('["Pigeons"]') }),
    /unknown transport Pigeons/,
  );
  assert.throws(() => new Hub({ methods: {}, clientTimeoutMs: 0 }), /clientTimeoutMs/);
  assert.throws(() => new Hub({ methods: { Echo: () => 1, echo: () => 2 } }), /echo/);
});

for (const lean of [false, true]) {
  test(`a close is answered with 1000, whatever its code, ${lean ? 'lean' : 'or not'}`, async () => {
    await using server = await start({ lean });
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 3000, 4999]) {
      using socket = await RawSocket.join(server.url);
      socket.webSocket.close(code, 'bye');
      assert.equal(await socket.next(), 'closed 1000', String(code));
    }
  });
}

test('garbage over a socket gives clean closes only', async () => {
  await using server = await startHubServer({
    handler: new Hub<undefined>({ methods: { echo: (_context, value) => value } }),
    authenticate: allowAnybody,
  });
  const { default: fc } = await import('fast-check');
  const piece = fc.oneof(
    fc.constantFrom(
      '{"type":6}\u001e',
      '{"type":1,"invocationId":"1","target":"echo","arguments":[1]}\u001e',
      '\u001e',
      '{"type":99}\u001e',
      '{"type":3,"invocationId":"9"}\u001e',
    ),
    fc.json().map((text) => `${text}\u001e`),
    fc.string(),
    fc.uint8Array({ maxLength: 200 }),
    fc
      .record({
        type: fc.integer({ min: 0, max: 10 }),
        invocationId: fc.jsonValue(),
        target: fc.jsonValue(),
        arguments: fc.jsonValue(),
        error: fc.jsonValue(),
      })
      .map((value) => `${JSON.stringify(value)}\u001e`),
  );
  const runs = fc.sample(fc.array(piece, { minLength: 30, maxLength: 30 }), { numRuns: 340, seed: 7 });
  let frames = 0;
  for (const pieces of runs) {
    using socket = await RawSocket.join(server.url);
    for (const each of pieces) {
      socket.send(each);
      frames++;
    }
    socket.send('\u001e');
    let last = '';
    for (let message = ''; !message.startsWith('closed'); message = await socket.next()) last = message || last;
    assert.match(last, /^\{"type":7,"error":"Connection closed with an error\.","allowReconnect":true\}$|^\{"type":7\}$/);
  }
  assert.ok(frames >= 10_000, `${frames} frames were sent`);
});
