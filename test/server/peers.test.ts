/** What goes between two nodes: what survives the way, and what never takes it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as openRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { exchange, passing, Way } from './way.ts';

test('a request arrives as it was sent, without the lines of its hops and of peers', async () => {
  const seen = Promise.withResolvers<IncomingMessage & { readonly address?: string | undefined }>();
  await using way = await Way.open({
    answer(request, response) {
      seen.resolve(Object.assign(request, { address: request.socket.remoteAddress }));
      response.end('ok');
    },
  });
  const lines = [
    'POST /shop/hub?id=a%20b&x=%7B HTTP/1.1',
    'Host: shop.example',
    'X-Forwarded-For: 203.0.113.7',
    'x-forwarded-for: 198.51.100.2',
    'X-Forwarded-Proto: https',
    'Authorization: Bearer one',
    'authorization: Bearer two',
    'Origin: https://shop.example',
    'X-Latin: \xfc',
    // Whoever names what he is judged by does not get rid of it.
    'Connection: close, X-Hop, X-Forwarded-For, x-forwarded-proto, Authorization, Origin, HOST, Content-Length',
    'X-Hop: gone',
    'TE: trailers',
    'Keep-Alive: timeout=5',
    'Proxy-Authorization: Basic eA==',
    'Ringback-Peer-Client: 192.0.2.66',
    'Ringback-Peer-Node: somebody',
    'Content-Length: 4',
    '',
    'body',
  ];
  const answer = await exchange(way.port, lines.join('\r\n'));
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(answer, /ringback-peer|x-front/i);
  const request = await seen.promise;
  assert.deepEqual([request.method, request.url, request.address], ['POST', '/shop/hub?id=a%20b&x=%7B', '127.0.0.1']);
  const kept = [...lines.slice(1, 9), 'Content-Length: 4'];
  const arrived = request.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : []));
  assert.deepEqual(
    arrived.filter((line) => !line.startsWith('Connection')),
    kept,
  );
  assert.ok(!Object.keys(request.headers).some((name) => name.startsWith('ringback')));
});

test('an answer comes back as the owner gave it, whatever the front would have added', async () => {
  await using way = await Way.open({
    answer(_request, response) {
      response.writeHead(207, 'Just so', [
        'Vary',
        'Origin',
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'X-Latin',
        '\xfc',
        'Content-Length',
        '2',
      ]);
      // A text would take the head along in its own encoding.
      response.end(Buffer.from('ok'));
    },
  });
  const answer = await exchange(way.port, 'GET /hub HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const [head = '', body] = answer.split('\r\n\r\n');
  const lines = head.split('\r\n').filter((line) => !/^(date|connection|keep-alive):/i.test(line));
  assert.deepEqual(lines, [
    'HTTP/1.1 207 Just so',
    'Vary: Origin',
    'Set-Cookie: a=1',
    'Set-Cookie: b=2',
    'X-Latin: \xfc',
    'Content-Length: 2',
  ]);
  assert.equal(body, 'ok');
});

test('bodies and answers stream: each part is there before the next is sent', async () => {
  const requests = Promise.withResolvers<[IncomingMessage, ServerResponse]>();
  await using way = await Way.open({ answer: (request, response) => requests.resolve([request, response]) });
  const client = openRequest(way.url, { method: 'POST' });
  client.write('one');
  const [request, response] = await requests.promise;
  assert.equal(String((await once(request, 'data'))[0]), 'one');
  client.write('two');
  assert.equal(String((await once(request, 'data'))[0]), 'two');
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
  const [answer]: IncomingMessage[] = await once(client, 'response');
  assert.ok(answer !== undefined);
  response.write('data: 1\n\n');
  assert.equal(String((await once(answer, 'data'))[0]), 'data: 1\n\n');
  response.write('data: 2\n\n');
  assert.equal(String((await once(answer, 'data'))[0]), 'data: 2\n\n');
  client.destroy();
  await once(response, 'close');
});

test('a client that leaves is gone at the owner too, and an owner that breaks off is broken off at the client', async () => {
  const arrived: ServerResponse[] = [];
  await using way = await Way.open({ answer: (_request, response) => void arrived.push(response) });
  const client = openRequest(way.url);
  client.on('error', () => undefined);
  client.end();
  await eventually('it has arrived', async () => arrived.length === 1);
  client.destroy();
  await eventually('the owner knows', async () => arrived[0]?.destroyed === true);
  const torn = openRequest(way.url);
  torn.end();
  await eventually('it has arrived', async () => arrived.length === 2);
  arrived[1]?.writeHead(200, { 'Content-Length': 10 });
  arrived[1]?.write('half');
  const [answer]: IncomingMessage[] = await once(torn, 'response');
  assert.ok(answer !== undefined);
  answer.on('error', () => undefined).resume();
  const closed = new Promise((resolve) => answer.once('close', resolve));
  arrived[1]?.destroy();
  await closed;
  assert.equal(answer.complete, false);
});

test('a body that is cut off reaches the owner as a torn one', async () => {
  const ends: string[] = [];
  await using way = await Way.open({
    answer(request) {
      request
        .on('data', () => ends.push('data'))
        .on('end', () => ends.push('end'))
        .on('error', () => ends.push('torn'));
    },
  });
  const client = openRequest(way.url, { method: 'POST', headers: { 'content-length': 10 } });
  client.on('error', () => undefined);
  client.write('half');
  await eventually('half of it is there', async () => ends.length === 1);
  client.destroy();
  await eventually('the rest is not', async () => ends.length === 2);
  assert.deepEqual(ends, ['data', 'torn']);
});

for (const [how, headers] of [
  ['of a known length', { 'content-length': '3000' }],
  ['in chunks', {}],
] as const) {
  test(`no more of a body ${how} than the limit is passed on`, async () => {
    let bytes = 0;
    await using way = await Way.open({
      maxBodyBytes: 1_000,
      answer: (request) => void request.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined),
    });
    const client = openRequest(way.url, { method: 'POST', headers });
    client.on('error', () => undefined);
    for (let part = 0; part < 3; part++) client.write(Buffer.alloc(1_000));
    client.end();
    const [answer]: IncomingMessage[] = await once(client, 'response');
    assert.equal(answer?.statusMessage, 'too large');
    assert.ok(bytes <= 1_000, `${bytes} bytes arrived`);
  });
}

test('an owner that answers before it has the body is heard, and the connection of the client can be used again', async () => {
  await using way = await Way.open({ answer: (_request, response) => response.writeHead(401, { 'Content-Length': 0 }).end() });
  const body = 'x'.repeat(200_000);
  const answer = await exchange(
    way.port,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(answer.match(/HTTP\/1\.1 401 Unauthorized/g)?.length, 2);
});

test('a peer that lives is waited for, however long it takes', async () => {
  const clock = new ManualClock();
  const waiting: ServerResponse[] = [];
  await using way = await Way.open({ clock, answer: (_request, response) => void waiting.push(response) });
  const answer = fetch(way.url);
  await eventually('it waits', async () => waiting.length === 1);
  for (let second = 0; second < 90; second++) {
    clock.advance(1_000);
    // What the peer has said is on its way.
    for (let turn = 0; turn < 20; turn++) await setImmediate();
  }
  assert.deepEqual(way.outcomes, []);
  waiting[0]?.end('at last');
  assert.equal(await (await answer).text(), 'at last');
});

test('a client that reads nothing of its answer does not hold the way for ever', async () => {
  const clock = new ManualClock();
  await using way = await Way.open({ clock, answer: (_request, response) => response.end(Buffer.alloc(30_000_000)) });
  const socket = connect(way.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await eventually('it is on its way', async () => way.forwarder.size === 1);
  const ms = await passing(clock, () => way.forwarder.size === 0);
  assert.ok(ms <= 60_000, `after ${ms} ms`);
  socket.destroy();
});

test('beyond the limit of requests on their way the next is refused, and there is room again when one is done', async () => {
  const waiting: ServerResponse[] = [];
  await using way = await Way.open({
    answer: (_request, response) => void waiting.push(response),
    forwarder: { maxPassages: 2 },
  });
  const polls = [fetch(way.url), fetch(way.url)];
  await eventually('two wait', async () => waiting.length === 2);
  assert.equal((await fetch(way.url)).statusText, 'full');
  waiting[0]?.end('done');
  await Promise.race(polls);
  await eventually('one is done', async () => way.forwarder.size === 1);
  const third = fetch(way.url);
  await eventually('the third waits', async () => waiting.length === 3);
  for (const response of waiting) response.end('done');
  assert.equal(await (await third).text(), 'done');
});

test('connections between peers are used again', async () => {
  const ports = new Set<number | undefined>();
  await using way = await Way.open({
    answer(request, response) {
      ports.add(request.socket.remotePort);
      response.end('ok');
    },
  });
  for (let n = 0; n < 5; n++) assert.equal(await (await fetch(way.url, { method: 'POST', body: 'x' })).text(), 'ok');
  assert.equal(ports.size, 1);
});
