import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  allowAnybody,
  Hub,
  type HubConnection,
  HubError,
  type HubOptions,
  method,
  PreparedInvocation,
} from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { RawSocket, shake } from './raw-client.ts';

type Options = Omit<HubOptions<undefined>, 'methods'> & Partial<Pick<HubOptions<undefined>, 'methods'>>;

async function start(options: Options = {}, limits = {}) {
  const clock = new ManualClock();
  const connections: HubConnection<undefined>[] = [];
  const ends: (Error | undefined)[] = [];
  const ended = Promise.withResolvers<void>();
  const handler = new Hub<undefined>({
    methods: {},
    clock,
    onConnected: ({ connection }) => void connections.push(connection),
    onDisconnected(_context, error) {
      ends.push(error);
      ended.resolve();
    },
    ...options,
  });
  const server = await startHubServer({ handler, authenticate: allowAnybody, clock, ...limits });
  return {
    ...server,
    clock,
    connections,
    ends,
    ended: ended.promise,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test('a client without a handshake is refused after 15 s', async () => {
  await using t = await start();
  using socket = await RawSocket.open(t.url);
  t.clock.advance(14_000);
  assert.equal(t.endpoint.connectionCount, 1);
  t.clock.advance(2_000);
  assert.equal(await socket.next(), '{"error":"Handshake was canceled."}');
  assert.equal(await socket.next(), 'closed 1000');
  assert.deepEqual(t.ends, [], 'the hub has not seen it');
});

test('pings go every 15 s, and a client that never pinged may be silent', async () => {
  await using t = await start();
  using socket = await RawSocket.join(t.url);
  t.clock.advance(16_000);
  assert.equal(await socket.next(), '{"type":6}');
  t.clock.advance(60_000);
  assert.equal(await socket.next(), '{"type":6}');
});

test('a client that has pinged and is silent for 30 s is dropped and may come back', async () => {
  await using t = await start({ enableDetailedErrors: true, methods: { echo: (_context, value) => value } });
  using socket = await RawSocket.join(t.url);
  socket.send('{"type":6}\u001e');
  socket.call('echo', 1);
  assert.match(await socket.next(), /"result":1/);
  t.clock.advance(14_000);
  socket.call('echo', 2);
  assert.match(await socket.next(), /"result":2/);
  t.clock.advance(29_000);
  assert.deepEqual([await socket.next(), await socket.next()], ['{"type":6}', '{"type":6}'], 'pings at 15 and 30 s');
  t.clock.advance(2_000);
  const close = await socket.next();
  assert.match(
    close,
    /OperationCanceledException: Client hasn't sent a message\/ping within the configured ClientTimeoutInterval\./,
  );
  assert.match(close, /"allowReconnect":true/);
  assert.equal(await socket.next(), 'closed 1000');
  await t.ended;
  assert.equal(t.ends[0]?.name, 'OperationCanceledException');
});

test('onHandshake refuses with the text of a HubError, generically otherwise, and the hub sees nothing of it', async () => {
  for (const [error, text] of [
    [new HubError('no seat left'), 'no seat left'],
    [new TypeError('a secret'), 'An unexpected error occurred during connection handshake.'],
  ] as const) {
    await using t = await start({ onHandshake: () => Promise.reject(error) });
    using socket = await RawSocket.open(t.url);
    socket.send(shake);
    assert.equal(await socket.next(), JSON.stringify({ error: text }));
    assert.equal(await socket.next(), 'closed 1000');
    assert.equal(t.connections.length, 0);
    assert.equal(t.ends.length, 0);
  }
});

test('messages behind the handshake wait for onHandshake and onConnected', async () => {
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  await using t = await start({
    async onHandshake() {
      await gate.promise;
      order.push('handshake');
    },
    async onConnected({ connection }) {
      await Promise.resolve();
      order.push('connected');
      connection.send('hello');
    },
    methods: { call: () => order.push('call') },
  });
  using socket = await RawSocket.open(t.url);
  socket.send(`${shake}{"type":1,"invocationId":"1","target":"call","arguments":[]}\u001e`);
  gate.resolve();
  assert.equal(await socket.next(), '{}');
  assert.match(await socket.next(), /"target":"hello"/);
  assert.match(await socket.next(), /"result":3/);
  assert.deepEqual(order, ['handshake', 'connected', 'call']);
});

test('calls run in order, one at a time; pings are read meanwhile; a full queue stops the reading, not the client', async () => {
  const gate = Promise.withResolvers<void>();
  const order: unknown[] = [];
  await using t = await start({
    maximumQueuedInvocations: 2,
    methods: {
      async wait(_context, n) {
        order.push(n);
        await gate.promise;
      },
      note: (_context, n) => void order.push(n),
    },
  });
  using socket = await RawSocket.join(t.url);
  socket.send('{"type":6}\u001e');
  socket.call('wait', 0);
  for (let n = 1; n <= 20; n++) socket.call('note', n);
  socket.call('missing');
  gate.resolve();
  for (let n = 0; n <= 20; n++) assert.match(await socket.next(), /"result":null/);
  assert.match(await socket.next(), /Method does not exist/);
  assert.deepEqual(
    order,
    Array.from({ length: 21 }, (_, n) => n),
  );
});

test('what the app does wrong never crashes: encoding, async callbacks, hooks', async () => {
  await using t = await start({
    methods: {
      cycle() {
        const value: unknown[] = [];
        value.push(value);
        return value;
      },
      deep(_context, value) {
        return value;
      },
      rejects: () => Promise.reject(new Error('hidden')),
    },
    onDisconnected() {
      throw new Error('in onDisconnected');
    },
    maximumReceiveMessageSize: 2 ** 20,
  });
  using socket = await RawSocket.join(t.url);
  for (const target of ['cycle', 'rejects']) {
    socket.call(target);
    assert.equal(
      await socket.next(),
      `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking '${target}' on the server."}`,
    );
  }
  socket.send(`{"type":1,"invocationId":"1","target":"deep","arguments":[${'['.repeat(100_000)}${']'.repeat(100_000)}]}\u001e`);
  assert.match(await socket.next(), /unexpected error occurred invoking 'deep'/);
  socket.send('{"type":7}\u001e');
  assert.equal(await socket.next(), '{"type":7}');
  assert.equal(await socket.next(), 'closed 1000');
});

test('declared parameters and authorization are checked before the method runs', async () => {
  const text = (value: unknown): string => {
    if (typeof value !== 'string') throw new TypeError('no text');
    return value;
  };
  await using t = await start({
    enableDetailedErrors: true,
    methods: {
      upper: method({ parameters: [text], run: (_context, s) => s.toUpperCase() }),
      never: { authorize: () => Promise.resolve(false), run: () => assert.fail('it ran') },
    },
  });
  using socket = await RawSocket.join(t.url);
  socket.call('upper', 'x');
  assert.match(await socket.next(), /"result":"X"/);
  socket.call('upper', 5);
  assert.match(await socket.next(), /InvalidDataException: Error binding arguments\./);
  socket.call('upper');
  assert.match(await socket.next(), /Invocation provides 0 argument\(s\) but target expects 1\./);
  socket.call('never');
  assert.match(await socket.next(), /"Failed to invoke 'never' because user is unauthorized"/);
});

test('what authorization says at once is answered at once: before the arguments of the next call are', async () => {
  await using t = await start({
    methods: {
      never: { authorize: () => false, run: () => assert.fail('it ran') },
      none: method({ parameters: [], run: () => undefined }),
    },
  });
  using socket = await RawSocket.join(t.url);
  socket.call('never');
  socket.call('none', 1);
  assert.match(await socket.next(), /"Failed to invoke 'never' because user is unauthorized"/);
  assert.match(await socket.next(), /"Failed to invoke 'none' due to an error on the server\."/);
});

test('sends of one turn travel in one WebSocket message, a prepared invocation is encoded once', async () => {
  await using t = await start();
  using socket = await RawSocket.join(t.url);
  const [connection] = t.connections;
  assert.ok(connection);
  let encodings = 0;
  const prepared = new PreparedInvocation('news', { toJSON: () => ++encodings });
  const frame = once(socket.webSocket, 'message');
  connection.send('a');
  connection.sendPrepared(prepared);
  connection.sendPrepared(prepared);
  const [data] = await frame;
  assert.equal(String(data).split('\u001e').length, 4, 'three messages in one frame');
  assert.equal(encodings, 1);
});

test('a client that does not read makes its connection unwritable, then writable again when it reads', async () => {
  await using t = await start({}, { outputLimitBytes: 64 * 2 ** 20 });
  using socket = await RawSocket.join(t.url);
  const [connection] = t.connections;
  assert.ok(connection);
  socket.webSocket.pause();
  let sent = 0;
  const payload = 'x'.repeat(32_768);
  while (connection.isWritable) {
    connection.send('data', payload);
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(sent < 2_000, 'the output is bounded');
  }
  const writable = new Promise<void>((resolve) => {
    connection.onWritable = resolve;
  });
  socket.webSocket.resume();
  await writable;
  assert.equal(connection.isWritable, true);
  for (let n = 0; n < sent; n++) assert.match(await socket.next(), /"target":"data"/);
});

test('a client that lets more gather than the limit is dropped, and so is one that takes nothing for 10 s', async () => {
  for (const how of ['limit', 'time'] as const) {
    await using t = await start({}, { outputLimitBytes: how === 'limit' ? 2 ** 20 : 64 * 2 ** 20 });
    using socket = await RawSocket.join(t.url);
    const [connection] = t.connections;
    assert.ok(connection);
    socket.webSocket.pause();
    const payload = 'x'.repeat(2 ** 19);
    for (let n = 0; n < 40 && !connection.isClosed; n++) {
      connection.send('data', payload);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (how === 'time') {
      assert.equal(connection.isClosed, false);
      t.clock.advance(13_000);
    }
    await t.ended;
    assert.match(String(t.ends[0]), how === 'limit' ? /reads too slowly/ : /took no output for 10000 ms/);
    assert.equal(t.endpoint.connectionCount, 0);
  }
});

test('a client that vanishes is gone for the hub, and its token is dead', async () => {
  await using t = await start();
  const socket = connect(t.port, '127.0.0.1');
  const key = Buffer.alloc(16).toString('base64');
  socket.write(
    `GET /hub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  await once(socket, 'data');
  const bytes = Buffer.from(shake);
  socket.write(Buffer.concat([Buffer.of(0x81, 0x80 | bytes.length, 0, 0, 0, 0), bytes]));
  await once(socket, 'data');
  assert.equal(t.connections.length, 1);
  socket.destroy();
  await t.ended;
  assert.equal(t.endpoint.connectionCount, 0);
});
