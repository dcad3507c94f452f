import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { allowAnybody, type EndpointLimits, Hub } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { EventStream } from './event-stream.ts';
import { startHubServer } from './hub-server.ts';
import { Pipes } from './pipes.ts';
import { negotiate, shake } from './raw-client.ts';

async function start(limits: Partial<EndpointLimits> = {}) {
  const pipes = new Pipes();
  const clock = new ManualClock();
  const server = await startHubServer({ handler: pipes, authenticate: allowAnybody, clock, ...limits });
  const { url } = await negotiate(server.url);
  return { pipes, clock, server, url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function answer(response: Promise<Response>): Promise<string> {
  const { status } = await response;
  return `${status} ${await (await response).text()}`.trim();
}

const accept = { headers: { accept: 'text/event-stream' } };

/** A client that has its stream, and reads nothing of it. */
async function deaf(port: number, url: string) {
  const { pathname, search } = new URL(url);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  return socket;
}

test('the stream begins at once, with a comment and headers that keep everybody from gathering or keeping it', async () => {
  await using t = await start();
  using stream = await EventStream.open(t.url);
  assert.equal(await stream.next(), ':\r\n');
  const { headers } = stream.response;
  assert.equal(headers.get('content-type'), 'text/event-stream');
  assert.equal(headers.get('cache-control'), 'no-cache, no-store');
  assert.equal(headers.get('pragma'), 'no-cache');
  assert.equal(headers.get('content-encoding'), 'identity');
  assert.equal(headers.get('x-accel-buffering'), 'no');
  assert.equal(headers.get('expires'), null);
  assert.equal(t.pipes.only.transport, 'ServerSentEvents');
});

test('what is sent in one turn is one event, and what is posted arrives', async () => {
  await using t = await start();
  await fetch(t.url, { method: 'POST', body: 'early' });
  using stream = await EventStream.open(t.url);
  await stream.next();
  assert.deepEqual(t.pipes.received, ['early'], 'what was posted before has waited');
  t.pipes.only.send('a');
  t.pipes.only.send(Buffer.from('b'));
  assert.equal(await stream.next(), 'data: ab\r\n\r\n');
  t.pipes.only.send('c');
  assert.equal(await stream.next(), 'data: c\r\n\r\n');
  assert.equal(await answer(fetch(t.url, { method: 'POST', body: 'late' })), '200');
  assert.deepEqual(t.pipes.received, ['early', 'late']);
});

test('a second stream is answered 409, a poll 400, a DELETE 400; the first goes on', async () => {
  await using t = await start();
  using stream = await EventStream.open(t.url);
  await stream.next();
  assert.equal(await answer(fetch(t.url, accept)), '409');
  assert.equal(await answer(fetch(t.url)), '400 Cannot change transports mid-connection');
  assert.equal(
    await answer(fetch(t.url, { method: 'DELETE' })),
    '400 Cannot terminate this connection using the DELETE endpoint.',
  );
  t.pipes.only.send('still here');
  assert.equal(await stream.next(), 'data: still here\r\n\r\n');
});

test('a connection that polls gets no stream, and an endpoint without streams none at all', async () => {
  await using t = await start();
  await fetch(t.url);
  assert.equal(await answer(fetch(t.url, accept)), '400 Cannot change transports mid-connection');
  await using other = await startHubServer({
    handler: new Pipes(),
    authenticate: allowAnybody,
    transports: ['LongPolling', 'WebSockets'],
  });
  const { url } = await negotiate(other.url);
  assert.equal(await answer(fetch(url, accept)), '404 ServerSentEvents transport not supported by this end point type');
});

test('a close ends the stream behind what was sent before it, and the connection is unknown from then on', async () => {
  await using t = await start();
  using stream = await EventStream.open(t.url);
  await stream.next();
  t.pipes.only.send('last words');
  t.pipes.only.close();
  t.pipes.only.send('too late');
  assert.equal(await answer(fetch(t.url, { method: 'POST', body: 'x' })), '404 No Connection with that ID');
  assert.equal(await stream.next(), 'data: last words\r\n\r\n');
  assert.equal(await stream.next(), 'ended');
  await eventually('it is gone', async () => t.pipes.ends.length === 1);
  assert.deepEqual([t.pipes.ends, t.server.endpoint.connectionCount], [[undefined], 0]);
  // The event source of browsers asks again by itself.
  assert.equal(await answer(fetch(t.url, accept)), '404 No Connection with that ID');
});

test('a client that leaves ends its connection without an error', async () => {
  await using t = await start();
  const stream = await EventStream.open(t.url);
  await stream.next();
  stream[Symbol.dispose]();
  await eventually('it is gone', async () => t.pipes.ends.length === 1);
  assert.deepEqual([t.pipes.ends, t.server.endpoint.connectionCount], [[undefined], 0]);
});

test('a reader that lets more than the limit gather is dropped', async () => {
  await using t = await start({ outputHighWaterBytes: 2 ** 20, outputLimitBytes: 32 * 2 ** 20 });
  await using socket = await deaf(t.server.port, t.url);
  const { only } = t.pipes;
  const chunk = 'x'.repeat(2 ** 20);
  while (!only.isClosed) {
    only.send(chunk);
    await new Promise(setImmediate);
  }
  assert.match(String(t.pipes.ends[0]), /reads too slowly: more than 33554432 bytes/);
  assert.equal(t.server.endpoint.connectionCount, 0);
  socket.resume();
});

test('a slow reader that reads on makes the connection writable again', async () => {
  await using t = await start({ outputHighWaterBytes: 16 * 2 ** 20, outputLimitBytes: 64 * 2 ** 20 });
  await using socket = await deaf(t.server.port, t.url);
  const { only } = t.pipes;
  while (only.isWritable) {
    only.send('x'.repeat(2 ** 20));
    await new Promise(setImmediate);
  }
  assert.equal(t.pipes.writableCount, 0);
  socket.resume();
  await eventually('there is room', async () => t.pipes.writableCount === 1);
  assert.equal(only.isWritable, true);
});

test('a reader that takes nothing for 10 s loses its connection, one that takes a little does not', async () => {
  await using t = await start({ outputLimitBytes: 256 * 2 ** 20 });
  await using socket = await deaf(t.server.port, t.url);
  for (let megabytes = 0; megabytes < 64; megabytes++) {
    t.pipes.only.send('x'.repeat(2 ** 20));
    await new Promise(setImmediate);
  }
  t.clock.advance(9_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  for (let taken = 0; taken < 16 * 2 ** 20;) {
    const [bytes] = await once(socket.resume(), 'data');
    taken += bytes.length;
  }
  socket.pause();
  t.clock.advance(9_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  t.clock.advance(3_000);
  assert.equal(t.server.endpoint.connectionCount, 0);
  assert.match(String(t.pipes.ends[0]), /took no output for 10000 ms/);
});

test('a hub pings over a stream, and says good-bye at a drain', async () => {
  const clock = new ManualClock();
  const handler = new Hub<undefined>({ methods: {}, clock });
  await using server = await startHubServer({ handler, authenticate: allowAnybody, clock });
  const { url } = await negotiate(server.url);
  using stream = await EventStream.open(url);
  await stream.next();
  await fetch(url, { method: 'POST', body: shake });
  assert.equal(await stream.next(), 'data: {}\u001e\r\n\r\n');
  clock.advance(16_000);
  assert.equal(await stream.next(), 'data: {"type":6}\u001e\r\n\r\n');
  const drained = server.endpoint.drain(0);
  assert.equal(await stream.next(), 'data: {"type":7,"allowReconnect":true}\u001e\r\n\r\n');
  assert.equal(await stream.next(), 'ended');
  await drained;
});

test('a token in the query is seen by authenticate, and by nobody else', async () => {
  const seen: (string | null)[] = [];
  const pipes = new Pipes();
  await using server = await startHubServer<undefined>({
    handler: pipes,
    authenticate({ kind, transport, url }) {
      seen.push(`${kind} ${transport ?? ''} ${url.searchParams.get('access_token') ?? ''}`);
      return { principal: undefined };
    },
  });
  const { url } = await negotiate(server.url);
  using stream = await EventStream.open(`${url}&access_token=secret&after=3`);
  await stream.next();
  assert.deepEqual(seen, ['negotiate  ', 'connect ServerSentEvents secret']);
  assert.equal(pipes.only.request?.url.search, '?after=3');
});
