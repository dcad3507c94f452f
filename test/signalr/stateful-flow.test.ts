/** Stateful reconnect under load: full buffers, slow readers, and breaks at every instant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { type HubConnection, PreparedInvocation } from '../../src/signalr/index.ts';
import { MessageBuffer } from '../../src/signalr/session/message-buffer.ts';
import { eventually } from '../fixtures/eventually.ts';
import { RawSocket } from './raw-client.ts';
import {
  ack,
  call,
  cut,
  joinStateful,
  sequence,
  startStateful,
  type StatefulServer,
  text,
  upgradeStatus,
} from './stateful-server.ts';

const KB = 'x'.repeat(1_000);
const BUFFER = 10_000;

function connection(server: StatefulServer, id: string): HubConnection<string> {
  const found = server.connections.get(id);
  assert.ok(found, 'it is connected');
  return found;
}

test('a client with a full buffer is not writable until it acknowledges', async () => {
  await using server = await startStateful({ hub: { statefulReconnectBufferBytes: BUFFER } });
  const { socket, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  let sent = 0;
  const writable = Promise.withResolvers<void>();
  seen.onWritable = () => writable.resolve();
  while (seen.isWritable) seen.send('say', ++sent, KB);
  assert.ok(sent > 5 && sent <= 10, `${sent} messages`);
  for (let n = 0; n < sent; n++) assert.match(await socket.next(), /"target":"say"/);
  socket.send(text(ack(1)));
  await writable.promise;
  assert.equal(seen.isWritable, true);
});

test('a client that acknowledges nothing of a full buffer for 5 s is dropped, one that acknowledges little is not', async () => {
  await using server = await startStateful({ hub: { statefulReconnectBufferBytes: BUFFER } });
  const { socket, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  for (let n = 0; n < 30; n++) seen.send('say', n, KB);
  for (let upTo = 1; upTo <= 3; upTo++) {
    server.clock.advance(4_000);
    socket.send(text(ack(upTo), call('note', upTo)));
    await eventually('it is acknowledged', async () => server.noted.length === upTo);
  }
  assert.equal(seen.isWritable, false);
  server.clock.advance(5_000);
  assert.deepEqual(server.ends, []);
  server.clock.advance(1_000);
  await setImmediate();
  assert.deepEqual(server.ends, ['the client acknowledged nothing of a full buffer for 5000 ms']);
});

test('a full buffer outlasts a break, all of it arrives, and the client has its 5 s behind it', async () => {
  await using server = await startStateful({ hub: { statefulReconnectBufferBytes: BUFFER } });
  const { socket, url, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  await cut(socket);
  await server.alone();
  for (let n = 0; n < 50; n++) seen.send('say', n, KB);
  assert.equal(seen.isWritable, false);
  server.clock.advance(10_000);
  using again = await RawSocket.open(url);
  again.send(text(sequence(1)));
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  server.clock.advance(4_000);
  for (let n = 0; n < 50; n++) assert.equal(await again.next(), JSON.stringify({ type: 1, target: 'say', arguments: [n, KB] }));
  again.send(text(ack(50), { ...call('echo', 'x'), invocationId: '1' }));
  assert.equal(await again.next(), '{"type":3,"invocationId":"1","result":"x"}');
  assert.equal(seen.isWritable, true);
});

test('who sends on without end drops the client at ten times the buffer, and nobody else notices', async () => {
  await using server = await startStateful({ hub: { statefulReconnectBufferBytes: BUFFER } });
  const gone = await joinStateful(server.url);
  await cut(gone.socket);
  await server.alone();
  const { socket } = await joinStateful(server.url);
  const invocation = new PreparedInvocation('say', KB);
  for (let n = 0; server.ends.length === 0 && n < 200; n++) {
    for (const each of server.connections.values()) each.sendPrepared(invocation);
    assert.match(await socket.next(), /"say"/);
    socket.send(text({ ...call('echo', n), invocationId: '1' }));
    assert.equal(await socket.next(), `{"type":3,"invocationId":"1","result":${n}}`);
    socket.send(text(ack(2 * n + 2)));
  }
  assert.deepEqual(server.ends, ['the client acknowledges too slowly: more than 100000 bytes of output wait']);
});

test('a slow transport gets what is kept bit by bit, and the end behind all of it', async () => {
  await using server = await startStateful({
    hub: { statefulReconnectBufferBytes: 3_000_000 },
    endpoint: { outputLimitBytes: 300_000 },
  });
  const { socket, url, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  await cut(socket);
  await server.alone();
  // More than a connection would hold, and than the operating system takes at once.
  const count = 8_000;
  for (let n = 0; n < count; n++) seen.send('say', n, KB);
  using again = await RawSocket.open(url);
  again.send(text(sequence(1)));
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  for (let n = 0; n < count; n++) assert.ok((await again.next()).includes(`"arguments":[${n},`), `${n} is in its place`);
  assert.deepEqual(server.ends, []);
});

test('a client that takes no output for 10 s has lost its transport, not its connection', async () => {
  await using server = await startStateful({ hub: { statefulReconnectBufferBytes: 50_000_000 } });
  const { socket, url, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  socket.webSocket.pause();
  // More than the operating system takes for a reader that takes nothing.
  const count = 20_000;
  for (let n = 0; n < count; n++) {
    seen.send('say', n, KB);
    if (n % 50 === 0) await setImmediate();
  }
  for (let second = 0; second < 12; second++) server.clock.advance(1_000);
  await server.alone();
  assert.deepEqual([server.ends, seen.isClosed], [[], false]);
  using again = await RawSocket.open(url);
  again.send(text(sequence(1)));
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  for (let n = 0; n < count; n++) assert.ok((await again.next()).includes(`"arguments":[${n},`), `${n} is in its place`);
});

/** The other side, as a client keeps it, on sockets that break where a test wants. */
class Client implements Disposable {
  readonly received: unknown[] = [];
  readonly #url: string;
  #socket: RawSocket;
  readonly #buffer = new MessageBuffer();

  private constructor(url: string, socket: RawSocket) {
    this.#url = url;
    this.#socket = socket;
    void this.#read(socket);
  }

  static async join(base: string): Promise<Client & { readonly id: string }> {
    const { url, socket, connectionId } = await joinStateful(base);
    return Object.assign(new Client(url, socket), { id: connectionId });
  }

  send(message: object): void {
    this.#buffer.keep(text(message));
    this.#pass();
  }

  acknowledge(): void {
    const upTo = this.#buffer.takeAcknowledgement();
    if (upTo !== undefined) this.#socket.send(text(ack(upTo)));
  }

  cut(): void {
    this.#socket.webSocket.terminate();
  }

  /** Whatever has become of the older socket. */
  async resume(): Promise<void> {
    const socket = await RawSocket.open(this.#url);
    this.#socket = socket;
    socket.send(text(sequence(this.#buffer.restart())));
    this.#pass();
    void this.#read(socket);
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  #pass(): void {
    if (this.#socket.webSocket.readyState !== 1) return;
    for (let next = this.#buffer.next(); next !== undefined; next = this.#buffer.next()) this.#socket.send(next);
  }

  async #read(socket: RawSocket): Promise<void> {
    for (let message = await socket.next(); !message.startsWith('closed'); message = await socket.next()) {
      if (socket !== this.#socket) return;
      const parsed: { type: number; sequenceId: number; arguments: [unknown] } = JSON.parse(message);
      if (parsed.type === 9) this.#buffer.renumber(parsed.sequenceId);
      else if (parsed.type === 8) this.#buffer.acknowledge(parsed.sequenceId);
      else if (parsed.type < 6 && this.#buffer.receive()) this.received.push(parsed.arguments[0]);
    }
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_none, at) => at);
}

for (const who of ['the client', 'the app'] as const) {
  test(`a Close of ${who} that races with a return ends the connection, once, at whatever instant`, async () => {
    await using server = await startStateful();
    const statuses = new Set<string>();
    for (let turns = 0; turns < 16 || (statuses.size < 2 && turns < 300); turns++) {
      const { socket, url, connectionId } = await joinStateful(server.url);
      const seen = connection(server, connectionId);
      const again = new RawSocket(url);
      for (const _ of upTo(turns)) await setImmediate();
      if (who === 'the app') seen.close();
      else socket.send(text({ type: 7 }));
      statuses.add(await answerTo(again));
      // A Close that came too late, by the older socket, is not heard; the newer one has nothing to say.
      for (const _ of upTo(7)) server.clock.advance(1_000);
      await eventually('it has ended', async () => server.ends.length === turns + 1 && server.endpoint.connectionCount === 0);
      assert.equal(await upgradeStatus(url), 404);
      for (const each of [socket, again]) each[Symbol.dispose]();
    }
    assert.deepEqual(statuses, new Set(['101', '404']), 'both were seen');
  });
}

/** 101 or the status that refused it. */
async function answerTo({ webSocket }: RawSocket): Promise<string> {
  if (webSocket.readyState === webSocket.OPEN) return '101';
  const { promise, resolve } = Promise.withResolvers<string>();
  webSocket.once('open', () => resolve('101'));
  webSocket.once('unexpected-response', (_request, { statusCode }) => resolve(String(statusCode)));
  return await promise;
}

test('a client whose count has slipped, as that of the official one may, is not thrown out for it', async () => {
  await using server = await startStateful();
  const { socket, url } = await joinStateful(server.url);
  // It has counted four, and sent three of them.
  socket.send(text(call('note', 1), call('note', 2), call('note', 4)));
  await eventually('they are noted', async () => server.noted.length === 3);
  server.clock.advance(1_000);
  assert.equal(await socket.next(), '{"type":8,"sequenceId":3}');
  await cut(socket);
  using again = await RawSocket.open(url);
  again.send(text(sequence(4), call('note', 4), { ...call('echo', 'x'), invocationId: '1' }));
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  assert.equal(await again.next(), '{"type":3,"invocationId":"1","result":"x"}');
  assert.deepEqual(server.ends, []);
});

for (const how of ['cut', 'left standing'] as const) {
  test(`whenever the socket is ${how}, each message arrives once and in order, both ways`, async () => {
    await using server = await startStateful();
    for (let turns = 0; turns < 24; turns++) {
      using client = await Client.join(server.url);
      const seen = connection(server, client.id);
      const before = server.noted.length;
      let sent = 0;
      const talk = (): void => {
        client.send(call('note', sent));
        seen.send('say', sent++);
      };
      for (const _ of upTo(3)) talk();
      for (const _ of upTo(turns)) await setImmediate();
      if (how === 'cut') client.cut();
      talk();
      const back = client.resume();
      for (const _ of upTo(turns % 7)) {
        talk();
        await setImmediate();
      }
      await back;
      talk();
      server.clock.advance(1_000);
      await eventually('all has arrived', async () => client.received.length >= sent && server.noted.length - before >= sent);
      assert.deepEqual([client.received, server.noted.slice(before)], [upTo(sent), upTo(sent)], `after ${turns} turns`);
    }
    assert.ok(!server.ends.some((end) => end !== 'in order'), server.ends.join());
  });
}

test('whatever happens in whatever order, each message arrives once and in order, both ways', async () => {
  await using server = await startStateful();
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('client sends' as const) },
    { weight: 4, arbitrary: fc.constant('server sends' as const) },
    { weight: 4, arbitrary: fc.constant('turn' as const) },
    { weight: 1, arbitrary: fc.constant('second' as const) },
    { weight: 1, arbitrary: fc.constant('client acknowledges' as const) },
    { weight: 1, arbitrary: fc.constant('resume' as const) },
    { weight: 1, arbitrary: fc.constant('cut and resume' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      using client = await Client.join(server.url);
      const seen = connection(server, client.id);
      const before = server.noted.length;
      let [toServer, toClient] = [0, 0];
      for (const each of steps) {
        if (each === 'client sends') client.send(call('note', toServer++));
        else if (each === 'server sends') seen.send('say', toClient++);
        else if (each === 'turn') await setImmediate();
        else if (each === 'second') server.clock.advance(1_000);
        else if (each === 'client acknowledges') client.acknowledge();
        else if (each === 'cut and resume') client.cut();
        if (each.endsWith('resume')) await client.resume();
      }
      await eventually(
        'all has arrived',
        async () => client.received.length >= toClient && server.noted.length - before >= toServer,
      );
      assert.deepEqual([client.received, server.noted.slice(before)], [upTo(toClient), upTo(toServer)]);
    }),
    { numRuns: 30 },
  );
});
