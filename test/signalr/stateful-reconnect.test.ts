/** Stateful reconnect on the bare wire: what is kept, what is repeated, who may come back, and who may not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { EndpointOptions } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { RawSocket } from './raw-client.ts';
import {
  ack,
  call,
  cut,
  joinStateful,
  negotiateStateful,
  sequence,
  shake2,
  startStateful,
  type StatefulServer,
  text,
  upgradeStatus,
} from './stateful-server.ts';

function connection(server: StatefulServer, id: string) {
  const found = server.connections.get(id);
  assert.ok(found, 'it is connected');
  return found;
}

function said(...args: readonly unknown[]): string {
  return JSON.stringify({ type: 1, target: 'say', arguments: args });
}

for (const [what, query, options, expected] of [
  ['a client that asks', '&useStatefulReconnect=true', {}, true],
  ['one that asks otherwise', '&USESTATEFULRECONNECT=%20True', {}, true],
  ['one that does not', '', {}, undefined],
  ['one that declines', '&useStatefulReconnect=false', {}, undefined],
  ['one that asks twice', '&useStatefulReconnect=true&useStatefulReconnect=true', {}, undefined],
  ['one that asks where it is off', '&useStatefulReconnect=true', { statefulReconnect: false }, undefined],
  ['one that asks where there are no WebSockets', '&useStatefulReconnect=true', { transports: ['LongPolling'] }, undefined],
] as const) {
  test(`negotiate tells ${what} ${expected === true ? 'that it may' : 'nothing of'} stateful reconnect`, async () => {
    await using server = await startStateful({ endpoint: options });
    const response = await fetch(`${server.url}/negotiate?negotiateVersion=1${query}`, { method: 'POST' });
    const answer: Record<string, unknown> = JSON.parse(await response.text());
    assert.equal(answer['useStatefulReconnect'], expected);
  });
}

for (const lean of [false, true]) {
  const how = lean ? 'a lean endpoint' : 'an endpoint';
  const endpoint = { lean };

  test(`${how} keeps what is sent in a break, and the hub sees nothing of it`, async () => {
    await using server = await startStateful({ endpoint });
    const { socket, url, connectionId } = await joinStateful(server.url);
    socket.send(text(call('note', 1)));
    await eventually('it is noted', async () => server.noted.length === 1);
    const seen = connection(server, connectionId);
    seen.send('say', 'before');
    assert.equal(await socket.next(), said('before'));
    await cut(socket);
    await server.alone();
    assert.equal(seen.isWritable, true);
    seen.send('say', 'meanwhile');
    seen.send('say', 'ü😀');
    server.clock.advance(14_000);
    using again = await RawSocket.open(url);
    assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
    for (const message of ['before', 'meanwhile', 'ü😀']) assert.equal(await again.next(), said(message));
    again.send(text(sequence(2), call('note', 2)));
    again.send(text({ ...call('id'), invocationId: '7' }));
    assert.equal(await again.next(), JSON.stringify({ type: 3, invocationId: '7', result: connectionId }));
    server.clock.advance(20_000);
    assert.deepEqual([server.noted, server.ends], [[1, 2], []]);
    assert.equal(seen.isClosed, false);
  });

  test(`${how} gives a newer socket the place of the older one at once, and closes that with 1000`, async () => {
    await using server = await startStateful({ endpoint });
    const { socket, url, connectionId } = await joinStateful(server.url);
    using second = await RawSocket.open(url);
    assert.equal(await second.next(), '{"type":9,"sequenceId":1}');
    assert.equal(await socket.next(), 'closed 1000');
    second.send(text(sequence(1)));
    using third = await RawSocket.open(url);
    assert.equal(await third.next(), '{"type":9,"sequenceId":1}');
    assert.equal(await second.next(), 'closed 1000');
    third.send(text(sequence(1), { ...call('echo', 'x'), invocationId: '1' }));
    assert.equal(await third.next(), '{"type":3,"invocationId":"1","result":"x"}');
    assert.deepEqual([server.ends, server.endpoint.connectionCount], [[], 1]);
    connection(server, connectionId).send('say', 'on');
    assert.equal(await third.next(), said('on'));
  });

  test(`${how} does not listen to an older socket that goes on talking, nor wait for its good-bye`, async () => {
    await using server = await startStateful({ endpoint });
    const { socket, url } = await joinStateful(server.url);
    // As one whose reader is stuck: it will not see the close frame.
    socket.webSocket.pause();
    using second = await RawSocket.open(url);
    assert.equal(await second.next(), '{"type":9,"sequenceId":1}');
    socket.send(text(call('note', 'of the older')));
    second.send(text(sequence(1), call('note', 'of the newer')));
    await eventually('something is noted', async () => server.noted.length > 0);
    socket.webSocket.resume();
    assert.equal(await socket.next(), 'closed 1000');
    second.send(text({ ...call('echo', 'x'), invocationId: '1' }));
    assert.equal(await second.next(), '{"type":3,"invocationId":"1","result":"x"}');
    assert.deepEqual([server.noted, server.ends], [['of the newer'], []]);
  });

  test(`${how} joins nothing of an older socket with what comes by the newer one`, async () => {
    await using server = await startStateful({ endpoint });
    const { socket, url } = await joinStateful(server.url);
    const message = text(call('note', 'whole'));
    socket.send(text(call('note', 'first')) + message.slice(0, 20));
    await eventually('the first is noted', async () => server.noted.length === 1);
    await cut(socket);
    using again = await RawSocket.open(url);
    again.send(text(sequence(1), call('note', 'first')) + message);
    await eventually('the other is noted', async () => server.noted.length === 2);
    assert.deepEqual(server.noted, ['first', 'whole']);
  });

  test(`${how} drops a socket that shows no Sequence in time, and its connection`, async () => {
    await using server = await startStateful({ endpoint });
    const { socket, url } = await joinStateful(server.url);
    await cut(socket);
    using ghost = await RawSocket.open(url);
    assert.equal(await ghost.next(), '{"type":9,"sequenceId":1}');
    ghost.send(text({ type: 6 }));
    server.clock.advance(5_000);
    assert.equal(server.endpoint.connectionCount, 1);
    server.clock.advance(1_000);
    assert.equal(await ghost.next(), 'closed 1006');
    assert.deepEqual(server.ends, ['the client showed no Sequence on its return for 5000 ms']);
    assert.equal(await upgradeStatus(url), 404);
  });

  test(`what a busy hub had not read when the transport broke is read once by ${how}, when it comes again`, async () => {
    const gate = Promise.withResolvers<void>();
    const noted: unknown[] = [];
    const methods = {
      async slow(_context: unknown, value: unknown) {
        noted.push(value);
        await gate.promise;
      },
    };
    await using server = await startStateful({ hub: { methods, maximumQueuedInvocations: 2 }, endpoint });
    const { socket, url } = await joinStateful(server.url);
    const calls = [1, 2, 3, 4, 5, 6].map((n) => call('slow', n));
    socket.send(text(...calls));
    await eventually('the first runs', async () => noted.length === 1);
    await setImmediate();
    using again = await RawSocket.open(url);
    assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
    // As long as it is not listened to, it owes nothing.
    again.send(text(sequence(1), ...calls, { ...call('echo', 'x'), invocationId: '1' }));
    server.clock.advance(3_000);
    server.clock.advance(5_000);
    gate.resolve();
    const messages: string[] = [];
    while (messages.at(-1) !== '{"type":3,"invocationId":"1","result":"x"}') messages.push(await again.next());
    assert.deepEqual([noted, server.ends], [[1, 2, 3, 4, 5, 6], []]);
  });
}

test('what was acknowledged is not sent again', async () => {
  await using server = await startStateful();
  const { socket, url, connectionId } = await joinStateful(server.url);
  const seen = connection(server, connectionId);
  for (const n of [1, 2, 3]) seen.send('say', n);
  socket.send(text(ack(2), { ...call('echo', 'x'), invocationId: '1' }));
  for (const n of [1, 2, 3]) assert.equal(await socket.next(), said(n));
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1","result":"x"}');
  await cut(socket);
  using again = await RawSocket.open(url);
  assert.equal(await again.next(), '{"type":9,"sequenceId":3}');
  assert.equal(await again.next(), said(3));
});

test('the heartbeat acknowledges what is new, and after a Sequence what the client repeats', async () => {
  await using server = await startStateful();
  const { socket, url } = await joinStateful(server.url);
  server.clock.advance(3_000);
  socket.send(text({ type: 6 }, call('note', 1), { type: 6 }, call('note', 2)));
  await eventually('both are noted', async () => server.noted.length === 2);
  server.clock.advance(3_000);
  assert.equal(await socket.next(), '{"type":8,"sequenceId":2}');
  await cut(socket);
  using again = await RawSocket.open(url);
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  again.send(text(sequence(2), call('note', 2), { ...call('echo', 'x'), invocationId: '1' }));
  assert.equal(await again.next(), '{"type":3,"invocationId":"1","result":"x"}');
  server.clock.advance(1_000);
  assert.equal(await again.next(), '{"type":8,"sequenceId":3}');
  assert.deepEqual(server.noted, [1, 2]);
});

test('a connection without stateful reconnect hears nothing of acknowledgements, and says what it likes about them', async () => {
  await using server = await startStateful();
  for (const [url, request] of [
    [(await negotiateStateful(server.url)).url, '{"protocol":"json","version":1}\u001e'],
    [server.url, shake2],
  ] as const) {
    using socket = await RawSocket.join(url, request);
    socket.send(text(ack(99), sequence(99), { ...call('echo', 'x'), invocationId: '1' }));
    assert.equal(await socket.next(), '{"type":3,"invocationId":"1","result":"x"}');
    server.clock.advance(2_000);
    socket.send(text({ ...call('echo', 'y'), invocationId: '2' }));
    assert.equal(await socket.next(), '{"type":3,"invocationId":"2","result":"y"}');
  }
});

for (const [what, messages, error] of [
  ['a Sequence with a gap', [sequence(3)], "Sequence ID greater than amount of messages we've received."],
  ['a Sequence of zero', [sequence(0)], 'Sequence ID must be greater than zero.'],
  ['a Sequence below zero', [sequence(-5)], 'Sequence ID must be greater than zero.'],
  ['an Ack of what was never sent', [ack(1)], "Ack ID greater than amount of messages we've sent."],
  ['an Ack below zero', [ack(-1)], 'Ack ID must be greater than zero.'],
  ['a call before its Sequence', [call('note', 0)], 'The first message of a resumed transport must be Sequence.'],
] as const) {
  test(`a client that comes back with ${what} is closed, and may begin anew`, async () => {
    await using server = await startStateful();
    const { socket, url } = await joinStateful(server.url);
    socket.send(text(call('note', 1)));
    await eventually('it is noted', async () => server.noted.length === 1);
    await cut(socket);
    using again = await RawSocket.open(url);
    assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
    again.send(text(...messages));
    assert.deepEqual(JSON.parse(await again.next()), {
      type: 7,
      error: `Connection closed with an error. InvalidOperationException: ${error}`,
      allowReconnect: true,
    });
    assert.equal(await again.next(), 'closed 1000');
    await eventually('it has ended', async () => server.ends.length === 1);
    assert.deepEqual([server.noted, server.ends], [[1], [error]]);
    assert.equal(await upgradeStatus(url), 404);
  });
}

type Ending = (server: StatefulServer, socket: RawSocket, id: string) => void;

const endings: Readonly<Record<string, Ending>> = {
  'a Close of the client': (_server, socket) => socket.send(text({ type: 7 })),
  'a close frame with 1000': (_server, socket) => socket.webSocket.close(1000),
  'a close frame without a code': (_server, socket) => socket.webSocket.close(),
  'a close frame of a page that goes away': (_server, socket) => socket.webSocket.close(1001),
  'a close of the app': (server, _socket, id) => connection(server, id).close(),
  'a close of the app that allows it to begin anew': (server, _socket, id) =>
    connection(server, id).close({ allowReconnect: true }),
  'a malformed message': (_server, socket) => socket.send('{\u001e'),
  'a malformed frame': (_server, socket) => socket.send(Buffer.from([0xff]).toString('latin1') && new Uint8Array(1_100_000)),
};

for (const [what, end] of Object.entries(endings)) {
  test(`after ${what} the connection ends at once, and nobody comes back to it`, async () => {
    await using server = await startStateful();
    const { socket, url, connectionId } = await joinStateful(server.url);
    socket.send(text({ type: 6 }));
    end(server, socket, connectionId);
    await eventually('it has ended', async () => server.ends.length === 1);
    assert.equal(await upgradeStatus(url), 404);
    assert.equal(server.endpoint.connectionCount, 0);
  });
}

test('a handshake of version 1 does without, whatever was negotiated', async () => {
  await using server = await startStateful();
  const { url } = await negotiateStateful(server.url);
  const socket = await RawSocket.join(url);
  assert.equal(await upgradeStatus(url), 409);
  await cut(socket);
  await eventually('it has ended', async () => server.ends.length === 1);
  assert.equal(await upgradeStatus(url), 404);
});

test('a socket that dies before its handshake takes the connection with it', async () => {
  await using server = await startStateful();
  const { url } = await negotiateStateful(server.url);
  await cut(await RawSocket.open(url));
  await eventually('it has ended', async () => server.endpoint.connectionCount === 0);
  assert.equal(await upgradeStatus(url), 404);
});

test('who does not come back within the disconnect timeout has left', async () => {
  await using server = await startStateful();
  const { socket, url } = await joinStateful(server.url);
  server.clock.advance(60_000);
  await cut(socket);
  await server.alone();
  server.clock.advance(14_000);
  assert.deepEqual([server.ends, server.endpoint.connectionCount], [[], 1]);
  server.clock.advance(2_000);
  await setImmediate();
  assert.deepEqual([server.ends, server.endpoint.connectionCount], [['in order'], 0]);
  assert.equal(await upgradeStatus(url), 404);
});

test('the silence of a break is not the silence of a client', async () => {
  await using server = await startStateful({ hub: { clientTimeoutMs: 10_000 } });
  const { socket, url } = await joinStateful(server.url);
  socket.send(text({ type: 6 }, call('note', 1)));
  await eventually('it is noted', async () => server.noted.length === 1);
  await cut(socket);
  await server.alone();
  server.clock.advance(12_000);
  using again = await RawSocket.open(url);
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
  again.send(text(sequence(2), { ...call('echo', 'x'), invocationId: '1' }));
  assert.equal(await again.next(), '{"type":3,"invocationId":"1","result":"x"}');
  assert.deepEqual(server.ends, []);
  server.clock.advance(11_000);
  await eventually('it has been silent for too long', async () => server.ends.length === 1);
});

test('an app may close in the break: nobody comes back', async () => {
  await using server = await startStateful();
  const { socket, url, connectionId } = await joinStateful(server.url);
  await cut(socket);
  await server.alone();
  connection(server, connectionId).close();
  await setImmediate();
  assert.deepEqual([server.ends, server.endpoint.connectionCount], [['in order'], 0]);
  assert.equal(await upgradeStatus(url), 404);
});

test('in a drain those that are away end at once', async () => {
  await using server = await startStateful();
  const { socket, url } = await joinStateful(server.url);
  await cut(socket);
  await server.alone();
  const drained = server.endpoint.drain(0);
  await setImmediate();
  assert.deepEqual(server.ends, ['in order']);
  await drained;
  assert.equal(await upgradeStatus(url), 404);
});

test('other requests see a connection in its break as one by WebSockets', async () => {
  await using server = await startStateful();
  const { socket, url } = await joinStateful(server.url);
  await cut(socket);
  await server.alone();
  for (const [method, status, body] of [
    ['GET', 400, 'Cannot change transports mid-connection'],
    ['POST', 405, 'POST requests are not allowed for WebSocket connections.'],
    ['DELETE', 400, 'Cannot terminate this connection using the DELETE endpoint.'],
  ] as const) {
    const response = await fetch(url, { method });
    assert.deepEqual([response.status, await response.text()], [status, body], method);
  }
  using again = await RawSocket.open(url);
  assert.equal(await again.next(), '{"type":9,"sequenceId":1}');
});

test('who is refused when he comes back need not come again, but cannot hurt a connection that lives', async () => {
  const authenticate: EndpointOptions<string>['authenticate'] = ({ incoming: { headers } }) =>
    headers['x-user'] === 'nobody' ? { status: 401 } : { principal: String(headers['x-user'] ?? 'ada') };
  const endpoint = { authenticate, isSameUser: (one: string, other: string) => one === other };
  await using server = await startStateful({ endpoint });
  for (const [user, status] of [
    ['nobody', 401],
    ['bob', 403],
  ] as const) {
    const { socket, url, connectionId } = await joinStateful(server.url);
    const headers = { 'x-user': user };
    assert.equal(await upgradeStatus(url, headers), status);
    connection(server, connectionId).send('say', 'still here');
    assert.equal(await socket.next(), said('still here'));
    await cut(socket);
    await server.alone();
    assert.equal(await upgradeStatus(url, headers), status);
    assert.equal(await upgradeStatus(url), 404);
  }
  assert.deepEqual(server.ends, ['in order', 'in order']);
});

test('of two that come back at once, the last to be admitted wins, and nothing is lost', async () => {
  const waiting: (() => void)[] = [];
  let isSlow = false;
  const authenticate = async (): Promise<{ principal: string }> => {
    if (isSlow) await new Promise<void>((resolve) => waiting.push(resolve));
    return { principal: 'ada' };
  };
  await using server = await startStateful({ endpoint: { authenticate } });
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const { socket, url, connectionId } = await joinStateful(server.url);
    await cut(socket);
    await server.alone();
    connection(server, connectionId).send('say', 'kept');
    isSlow = true;
    const sockets: RawSocket[] = [];
    for (const n of [0, 1]) {
      sockets.push(new RawSocket(url));
      await eventually('it asks', async () => waiting.length === n + 1);
    }
    const [first, last] = order.map((at) => ({ admit: waiting[at], socket: sockets[at] }));
    assert.ok(first?.socket && last?.socket);
    first.admit?.();
    await eventually('the first is in', async () => first.socket?.webSocket.readyState === 1);
    last.admit?.();
    assert.equal(await last.socket.next(), '{"type":9,"sequenceId":1}');
    assert.equal(await last.socket.next(), said('kept'));
    for (const expected of ['{"type":9,"sequenceId":1}', said('kept'), 'closed 1000'])
      assert.equal(await first.socket.next(), expected);
    last.socket.send(text(sequence(1), { type: 7 }));
    await eventually('it has ended', async () => server.endpoint.connectionCount === 0);
    waiting.length = 0;
    isSlow = false;
  }
});

test('a connection that ends while its client is asked who it is has nothing to come back to', async () => {
  const admitted = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  let isSlow = false;
  const authenticate = async (): Promise<{ principal: string }> => {
    if (isSlow) asked.resolve();
    if (isSlow) await admitted.promise;
    return { principal: 'ada' };
  };
  await using server = await startStateful({ endpoint: { authenticate } });
  const { url, connectionId } = await joinStateful(server.url);
  isSlow = true;
  const status = upgradeStatus(url);
  await asked.promise;
  connection(server, connectionId).close();
  admitted.resolve();
  assert.equal(await status, 404);
});
