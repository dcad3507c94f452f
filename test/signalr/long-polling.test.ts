import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { allowAnybody, Hub } from '../../src/signalr/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from './hub-server.ts';
import { Pipes } from './pipes.ts';
import { negotiate, shake } from './raw-client.ts';

async function start(limits = {}) {
  const pipes = new Pipes();
  const clock = new ManualClock();
  const server = await startHubServer({ handler: pipes, authenticate: allowAnybody, clock, ...limits });
  const { url } = await negotiate(server.url);
  const first = await fetch(url);
  assert.deepEqual([first.status, (await first.arrayBuffer()).byteLength], [200, 0], 'the first poll answers at once');
  return { pipes, clock, server, url, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function answer(response: Promise<Response> | Response): Promise<string> {
  const { status } = await response;
  return `${status} ${await (await response).text()}`.trim();
}

/** A poll that has certainly reached the server, and can be cut off. */
async function waitingPoll(url: string, port: number) {
  const { pathname, search } = new URL(url);
  const poll = httpRequest({ port, host: '127.0.0.1', path: pathname + search });
  poll.on('error', () => undefined);
  poll.end();
  await once(poll, 'finish');
  // A request behind it on the same server, answered only after the poll was taken in.
  await fetch(url.replace(/id=.*/, 'id=x'));
  return poll;
}

async function cutOff(poll: ClientRequest): Promise<void> {
  const gone = new Promise((resolve) => poll.once('close', resolve));
  poll.destroy();
  await gone;
}

test('a poll takes everything that waits, in order, and the next one waits', async () => {
  await using t = await start();
  t.pipes.only.send('a');
  t.pipes.only.send(Buffer.from('b'));
  assert.equal(await answer(fetch(t.url)), '200 ab');
  const poll = fetch(t.url);
  await fetch(t.url, { method: 'POST', body: 'in' });
  assert.deepEqual(t.pipes.received, ['in']);
  t.pipes.only.send('c');
  assert.equal(await answer(poll), '200 c');
});

test('a newer poll ends the older one with 204 and gets what comes', async () => {
  await using t = await start();
  const older = await waitingPoll(t.url, t.server.port);
  const newer = fetch(t.url);
  const [response] = await once(older, 'response');
  assert.equal(response.statusCode, 204);
  t.pipes.only.send('x');
  assert.equal(await answer(newer), '200 x');
});

test('what a poll that was cut off before its data would have got goes to the next', async () => {
  await using t = await start();
  const poll = await waitingPoll(t.url, t.server.port);
  await cutOff(poll);
  await fetch(t.url.replace(/id=.*/, 'id=x'));
  t.pipes.only.send('kept');
  assert.equal(await answer(fetch(t.url)), '200 kept');
});

test('a response that did not finish is queued again, in front of what came later', async () => {
  await using t = await start({ outputLimitBytes: 64 * 2 ** 20 });
  const large = 'x'.repeat(32 * 2 ** 20);
  // A reader that takes the head of the answer and then nothing: the body cannot leave the server.
  const { pathname, search } = new URL(t.url);
  const socket = connect(t.server.port, '127.0.0.1');
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`);
  t.pipes.only.send(large);
  await once(socket, 'data');
  socket.pause();
  t.pipes.only.send('later');
  socket.destroy();
  await once(socket, 'close');
  const text = await answer(fetch(t.url));
  const rest = text.length < large.length + 4 + 'later'.length ? await answer(fetch(t.url)) : '';
  assert.equal((text.slice(4) + rest.slice(4)).length, large.length + 'later'.length, 'nothing is lost');
  assert.ok((text + rest).endsWith('later'), 'the order is kept');
});

test('an empty poll is answered after its time, and the connection goes on', async () => {
  await using t = await start({ pollTimeoutMs: 90_000 });
  const poll = await waitingPoll(t.url, t.server.port);
  t.clock.advance(91_000);
  const [response] = await once(poll, 'response');
  assert.deepEqual([response.statusCode, response.headers['content-length']], [200, '0']);
  response.resume();
  t.pipes.only.send('x');
  assert.equal(await answer(fetch(t.url)), '200 x');
});

test('a connection without a poll for 15 s is gone; with one it stays', async () => {
  await using t = await start();
  const poll = await waitingPoll(t.url, t.server.port);
  t.clock.advance(30_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  await cutOff(poll);
  await fetch(t.url.replace(/id=.*/, 'id=x'));
  t.clock.advance(14_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  t.clock.advance(2_000);
  assert.equal(t.server.endpoint.connectionCount, 0);
  assert.deepEqual(t.pipes.ends, [undefined]);
  assert.equal(await answer(fetch(t.url)), '404 No Connection with that ID');
});

test('an end of the application is data, then 204, then 404', async () => {
  await using t = await start();
  t.pipes.only.send('last words');
  t.pipes.only.close();
  t.pipes.only.send('too late');
  assert.equal(await answer(fetch(t.url)), '200 last words');
  assert.equal(await answer(fetch(t.url)), '204');
  assert.equal(await answer(fetch(t.url)), '404 No Connection with that ID');
  assert.deepEqual(t.pipes.ends, [undefined]);
});

test('DELETE is answered 202, ends a waiting poll with 204, and leaves nothing', async () => {
  await using t = await start();
  const poll = await waitingPoll(t.url, t.server.port);
  assert.equal(await answer(fetch(t.url, { method: 'DELETE' })), '202');
  const [response] = await once(poll, 'response');
  assert.equal(response.statusCode, 204);
  assert.equal(await answer(fetch(t.url, { method: 'DELETE' })), '404 No Connection with that ID');
  assert.deepEqual(t.pipes.ends, [undefined]);
  assert.equal(t.server.endpoint.connectionCount, 0);
});

test('DELETE gives the good-bye of a hub to the poll that waits, as ASP.NET Core 10 was seen to do', async () => {
  const left = Promise.withResolvers<Error | undefined>();
  const handler = new Hub<undefined>({ methods: {}, onDisconnected: (_context, error) => left.resolve(error) });
  await using server = await startHubServer({ handler, authenticate: allowAnybody });
  const { url } = await negotiate(server.url);
  assert.equal(await answer(fetch(url)), '200');
  await fetch(url, { method: 'POST', body: '{"protocol":"json","version":1}\u001e' });
  assert.equal(await answer(fetch(url)), '200 {}\u001e');
  const poll = await waitingPoll(url, server.port);
  const responded = once(poll, 'response');
  assert.equal(await answer(fetch(url, { method: 'DELETE' })), '202');
  const [response] = await responded;
  assert.equal(response.statusCode, 200);
  assert.equal((await response.setEncoding('utf8').toArray()).join(''), '{"type":7,"allowReconnect":true}\u001e');
  assert.equal(await left.promise, undefined);
  assert.equal(await answer(fetch(url)), '404 No Connection with that ID');
});

test('a POST waits for its answer while the application does not take its input', async () => {
  await using t = await start({ inputHighWaterBytes: 10 });
  t.pipes.onReceive = (connection) => connection.pause();
  await fetch(t.url, { method: 'POST', body: 'first' });
  let answered = false;
  const second = fetch(t.url, { method: 'POST', body: 'a body beyond the mark' }).then(() => (answered = true));
  await fetch(t.url.replace(/id=.*/, 'id=x'));
  assert.equal(answered, false);
  assert.deepEqual(t.pipes.received, ['first']);
  t.pipes.only.resume();
  await second;
  assert.deepEqual(t.pipes.received, ['first', 'a body beyond the mark']);
});

test('a body that is too large is answered 413, a torn one leaves no byte', async () => {
  await using t = await start({ maxBodyBytes: 100 });
  assert.equal(await answer(fetch(t.url, { method: 'POST', body: 'x'.repeat(101) })), '413');
  const { pathname, search } = new URL(t.url);
  const torn = connect(t.server.port, '127.0.0.1');
  torn.write(`POST ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf`);
  await fetch(t.url.replace(/id=.*/, 'id=x'));
  torn.destroy();
  await once(torn, 'close');
  await fetch(t.url, { method: 'POST', body: 'whole' });
  assert.deepEqual(t.pipes.received, ['whole']);
});

test('more POSTs at a time than allowed are answered 429', async () => {
  await using t = await start({ maxConcurrentPosts: 1, inputHighWaterBytes: 1 });
  t.pipes.onReceive = (connection) => connection.pause();
  await fetch(t.url, { method: 'POST', body: 'first' });
  const second = fetch(t.url, { method: 'POST', body: 'second' });
  const third = await fetch(t.url, { method: 'POST', body: 'third' });
  const statuses = [third.status];
  t.pipes.only.resume();
  statuses.push((await second).status);
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [200, 429],
  );
});

test('a poll whose reader takes nothing for 10 s costs the connection', async () => {
  await using t = await start({ outputLimitBytes: 64 * 2 ** 20 });
  const { pathname, search } = new URL(t.url);
  const socket = connect(t.server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`);
  t.pipes.only.send('x'.repeat(32 * 2 ** 20));
  await once(socket, 'data');
  socket.pause();
  t.clock.advance(11_000);
  assert.equal(t.server.endpoint.connectionCount, 0);
  assert.match(String(t.pipes.ends[0]), /took no output for 10000 ms/);
  socket.destroy();
});

test('a hub never pings a client that polls', async () => {
  const clock = new ManualClock();
  const handler = new Hub<undefined>({ methods: {}, clock });
  await using server = await startHubServer({ handler, authenticate: allowAnybody, clock });
  const { url } = await negotiate(server.url);
  await fetch(url);
  await fetch(url, { method: 'POST', body: shake });
  assert.equal(await answer(fetch(url)), '200 {}\u001e');
  const poll = await waitingPoll(url, server.port);
  clock.advance(95_000);
  const [response] = await once(poll, 'response');
  assert.deepEqual([response.statusCode, response.headers['content-length']], [200, '0']);
  response.resume();
});
