/** Endpoints behind a balancer without affinity: what clients see must be what a single server shows them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { HttpTransportType, type HubConnection as Client, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { allowAnybody, type EndpointOptions, Hub } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Cluster } from './cluster.ts';
import { EventStream } from './event-stream.ts';
import { Pipes } from './pipes.ts';
import { negotiate, RawSocket, shake } from './raw-client.ts';

/** What is told about the connections of one test. */
class Notes {
  readonly connected: { readonly at: number; readonly id: string }[] = [];
  readonly ended: number[] = [];
  readonly received: unknown[] = [];

  optionsOf(at: number): EndpointOptions<undefined> {
    return {
      authenticate: allowAnybody,
      handler: new Hub<undefined>({
        methods: {
          where: () => at,
          note: (_context, value) => void this.received.push(value),
          count({ connection }, to) {
            for (let n = 1; n <= Number(to); n++) connection.send('counted', n);
          },
        },
        onConnected: ({ connection }) => void this.connected.push({ at, id: connection.id }),
        onDisconnected: () => void this.ended.push(at),
      }),
    };
  }
}

function start(count: number, notes = new Notes()): Promise<Cluster<undefined>> {
  return Cluster.start<undefined>(count, (at) => notes.optionsOf(at));
}

const ways = {
  WebSockets: { transport: HttpTransportType.WebSockets },
  'WebSockets without negotiation': { transport: HttpTransportType.WebSockets, skipNegotiation: true },
  ServerSentEvents: { transport: HttpTransportType.ServerSentEvents },
  LongPolling: { transport: HttpTransportType.LongPolling },
} as const;

function build(url: string, way: keyof typeof ways, reconnects?: number[]): Client {
  const builder = new HubConnectionBuilder().withUrl(url, ways[way]).configureLogging(LogLevel.None);
  return (reconnects === undefined ? builder : builder.withAutomaticReconnect(reconnects)).build();
}

for (const way of ['WebSockets', 'WebSockets without negotiation', 'ServerSentEvents', 'LongPolling'] as const) {
  for (const nodes of [2, 3]) {
    for (const order of ['each in turn', 'never the owner'] as const) {
      test(`the official client works over ${way} on ${nodes} nodes, ${order}`, async () => {
        const notes = new Notes();
        await using cluster = await start(nodes, notes);
        if (order === 'never the owner') cluster.neverToOwner();
        const client = build(cluster.url, way);
        const counted: unknown[] = [];
        const { promise: done, resolve } = Promise.withResolvers<void>();
        client.on('counted', (n) => void (counted.push(n) === 50 && resolve()));
        await client.start();
        const [connected] = notes.connected;
        if (way !== 'WebSockets without negotiation') assert.equal(connected?.id, client.connectionId);
        const where: unknown = await client.invoke('where');
        assert.equal(where, connected?.at);
        for (let n = 0; n < 10; n++) await client.send('note', n);
        await client.invoke('count', 50);
        await done;
        assert.deepEqual(
          counted,
          Array.from({ length: 50 }, (_none, at) => at + 1),
        );
        assert.deepEqual(
          notes.received,
          Array.from({ length: 10 }, (_none, at) => at),
        );
        await client.stop();
        await eventually('the connection is gone at its node', async () => notes.ended.length === 1);
        assert.deepEqual([notes.connected.length, notes.ended], [1, [where]]);
        checkSpread(cluster, way, order);
      });
    }
  }
}

/** That the balancer has indeed done what the test is about. */
function checkSpread({ balancer: { requests }, nodes }: Cluster<undefined>, way: string, order: string): void {
  assert.equal(requests[0]?.server, 0);
  const others = requests.slice(1);
  if (way.startsWith('WebSockets')) {
    assert.deepEqual(
      requests.map(({ isUpgrade, server }) => [isUpgrade, server]),
      way === 'WebSockets'
        ? [
            [false, 0],
            [true, 1],
          ]
        : [[true, 0]],
    );
    return;
  }
  assert.ok(others.length >= 12, `only ${others.length} requests`);
  const used = new Set(others.map(({ server }) => server));
  assert.deepEqual(used, new Set(nodes.map((_node, at) => at).slice(order === 'never the owner' ? 1 : 0)));
  const verbs = new Set(others.filter(({ server }) => server !== 0).map(({ method }) => method));
  assert.ok(verbs.has('GET') && verbs.has('POST'), `only ${[...verbs].join()} went to another node`);
  if (order === 'never the owner' && way === 'LongPolling') assert.ok(verbs.has('DELETE'));
}

test('with version 0, the id is the token, at any node', async () => {
  await using cluster = await start(2);
  const response = await fetch(`${cluster.node(0).url}/negotiate`, { method: 'POST' });
  const { connectionId, connectionToken, ...rest }: Record<string, unknown> = JSON.parse(await response.text());
  assert.equal(connectionToken, undefined);
  assert.equal(rest['negotiateVersion'], 0);
  const poll = await fetch(`${cluster.node(1).url}?id=${String(connectionId)}`);
  assert.deepEqual([poll.status, await poll.text()], [200, '']);
  const other = await fetch(`${cluster.node(0).url}/negotiate`, { method: 'POST' });
  const second: { connectionId: string } = JSON.parse(await other.text());
  using socket = await RawSocket.join(`${cluster.node(1).url}?id=${second.connectionId}`);
  assert.equal(cluster.node(1).endpoint.connectionCount, 1);
  assert.equal(socket.webSocket.readyState, 1);
});

test('a WebSocket is carried where it arrives, and one connection has one of them there', async () => {
  const notes = new Notes();
  await using cluster = await start(3, notes);
  const { connectionId, url } = await negotiate(cluster.node(0).url);
  const { search } = new URL(url);
  using first = await RawSocket.join(cluster.node(1).url + search);
  assert.deepEqual(notes.connected, [{ at: 1, id: connectionId }]);
  using second = new RawSocket(cluster.node(1).url + search);
  second.webSocket.once('unexpected-response', (_request, { statusCode }) =>
    second.webSocket.emit('message', Buffer.from(`${statusCode}`)),
  );
  assert.equal(await second.next(), '409');
  const post = await fetch(cluster.node(1).url + search, { method: 'POST', body: 'x' });
  assert.deepEqual([post.status, await post.text()], [405, 'POST requests are not allowed for WebSocket connections.']);
  first.call('where');
  assert.equal(await first.next(), '{"type":3,"invocationId":"1","result":1}');
});

test('the node that negotiated forgets a connection that went to another one', async () => {
  const notes = new Notes();
  await using cluster = await Cluster.start<undefined>(2, (at) => ({ ...notes.optionsOf(at), disconnectTimeoutMs: 1 }));
  const { url } = await negotiate(cluster.node(0).url);
  using _ = await RawSocket.join(cluster.node(1).url + new URL(url).search);
  await eventually('it is forgotten', async () => cluster.node(0).endpoint.connectionCount === 0);
  assert.deepEqual([cluster.node(1).endpoint.connectionCount, notes.ended], [1, []]);
});

/** All that an answer shows, but for what differs between any two. */
async function shown(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, init);
  const headers = [...response.headers].filter(([name]) => name !== 'date');
  return { status: response.status, reason: response.statusText, headers, body: await response.text() };
}

/** Principals are what the bearer says. */
function guarded(at: number): EndpointOptions<string> & { userOf(principal: string): string } {
  return {
    authenticate: ({ incoming }) => {
      const user = incoming.headers.authorization?.replace(/^Bearer /, '') ?? '';
      return user === 'ada' || user === 'bob'
        ? { principal: user }
        : { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: `no ${at - at}` };
    },
    isSameUser: (one, other) => one === other,
    userOf: (user) => user,
    isOriginAllowed: (origin) => origin === 'https://shop.example',
    handler: new Hub<string>({ methods: {} }),
  };
}

const origin = 'https://shop.example';
const [ada, bob] = ['ada', 'bob'].map((user) => ({ authorization: `Bearer ${user}`, origin }));

/** The default of `maxBodyBytes`. */
const LARGEST = 1_048_576;

for (const [what, init, before] of [
  ['a first poll', { headers: ada }],
  ['a poll of nobody', { headers: { origin } }],
  ['a poll of another user', { headers: bob }],
  ['a poll from another origin', { headers: { ...ada, origin: 'https://elsewhere.example' } }],
  ['a POST', { method: 'POST', headers: ada, body: shake }],
  ['a POST of the largest size', { method: 'POST', headers: ada, body: shake.padEnd(LARGEST, ' ') }, 'poll'],
  ['a POST beyond it', { method: 'POST', headers: ada, body: shake.padEnd(LARGEST + 1, ' ') }, 'poll'],
  ['a POST of nobody', { method: 'POST', body: shake }],
  ['a POST of another user', { method: 'POST', headers: bob, body: shake }],
  ['a DELETE before a poll', { method: 'DELETE', headers: ada }],
  ['a DELETE', { method: 'DELETE', headers: ada }, 'poll'],
  ['a DELETE of another user', { method: 'DELETE', headers: bob }, 'poll'],
  ['an event stream of nobody', { headers: { origin, accept: 'text/event-stream' } }],
  ['an event stream of another user', { headers: { ...bob, accept: 'text/event-stream' } }],
  ['an event stream of what polls', { headers: { ...ada, accept: 'text/event-stream' } }, 'poll'],
  ['an event stream of what is deleted', { headers: { ...ada, accept: 'text/event-stream' } }, 'delete'],
  ['a poll of what is deleted', { headers: ada }, 'delete'],
  ['a POST to what is deleted', { method: 'POST', headers: ada, body: shake }, 'delete'],
  ['another verb', { method: 'PUT', headers: ada, body: shake }],
  ['a preflight', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } }],
] as const) {
  test(`${what} is answered through another node as by the owner itself`, async () => {
    await using cluster = await Cluster.start<string>(2, guarded);
    const answers: unknown[] = [];
    for (const through of [0, 1]) {
      const response = await fetch(`${cluster.node(0).url}/negotiate?negotiateVersion=1`, {
        method: 'POST',
        headers: { ...ada },
      });
      const { connectionToken }: { connectionToken: string } = JSON.parse(await response.text());
      const own = `${cluster.node(0).url}?id=${connectionToken}`;
      if (before !== undefined) assert.equal((await fetch(own, { headers: { ...ada } })).status, 200);
      if (before === 'delete') assert.equal((await fetch(own, { method: 'DELETE', headers: { ...ada } })).status, 202);
      answers.push(await shown(`${cluster.node(through).url}?id=${connectionToken}`, { ...init, headers: { ...init.headers } }));
    }
    assert.deepEqual(answers[1], answers[0]);
  });
}

test('the owner sees that a client has left which polled through another node', async () => {
  const notes = new Notes();
  await using cluster = await Cluster.start<undefined>(2, (at) => ({ ...notes.optionsOf(at), disconnectTimeoutMs: 1_500 }));
  const { url } = await negotiate(cluster.node(0).url);
  const through = cluster.node(1).url + new URL(url).search;
  await fetch(through);
  await fetch(through, { method: 'POST', body: shake });
  await fetch(through);
  const leaving = new AbortController();
  const poll = fetch(through, { signal: leaving.signal });
  await eventually('it polls', async () => cluster.node(1).peers.passing === 1);
  assert.deepEqual(notes.ended, []);
  leaving.abort();
  await assert.rejects(poll);
  await eventually('its connection ends there', async () => notes.ended.length === 1);
  assert.deepEqual([notes.ended, cluster.node(1).peers.passing], [[0], 0]);
});

test('a credential is refreshed through another node', async () => {
  await using cluster = await Cluster.start<string>(2, (at) => ({ ...guarded(at), authenticationRefresh: true }));
  const response = await fetch(`${cluster.node(0).url}/negotiate?negotiateVersion=1`, { method: 'POST', headers: { ...ada } });
  const { connectionToken }: { connectionToken: string } = JSON.parse(await response.text());
  const path = `/refresh?id=${connectionToken}`;
  for (const [headers, expected] of [
    [ada, '200 {}'],
    [bob, '403 {"error":"user_changed"}'],
  ] as const) {
    const answer = await fetch(cluster.node(1).url + path, { method: 'POST', headers: { ...headers } });
    assert.equal(`${answer.status} ${await answer.text()}`, expected);
  }
});

test('an event stream through another node begins at once, and ends at both when its client leaves', async () => {
  const notes = new Notes();
  await using cluster = await start(2, notes);
  const { url: own } = await negotiate(cluster.node(0).url);
  const through = cluster.node(1).url + new URL(own).search;
  using stream = await EventStream.open(through);
  using direct = await EventStream.open((await negotiate(cluster.node(0).url)).url);
  const lines = ({ response }: EventStream) => [...response.headers].filter(([name]) => name !== 'date');
  assert.deepEqual(lines(stream), lines(direct));
  assert.deepEqual([await stream.next(), await direct.next()], [':\r\n', ':\r\n']);
  await fetch(through, { method: 'POST', body: shake });
  assert.equal(await stream.next(), 'data: {}\u001e\r\n\r\n');
  for (const at of [0, 1]) {
    const second = await fetch(cluster.node(at).url + new URL(own).search, { headers: { accept: 'text/event-stream' } });
    assert.equal(second.status, 409);
  }
  assert.equal(cluster.node(1).peers.passing, 1);
  stream[Symbol.dispose]();
  await eventually('its connection ends there', async () => notes.ended.length === 1);
  await eventually('and its passage', async () => cluster.node(1).peers.passing === 0);
});

test('a slow reader of a stream through another node is slow to its owner, and costs that one no more than any', async () => {
  const pipes = new Pipes();
  const options = { handler: pipes, authenticate: allowAnybody, outputLimitBytes: 64 * 2 ** 20 };
  await using cluster = await Cluster.start<undefined>(2, () => options);
  const { url } = await negotiate(cluster.node(0).url);
  using stream = await EventStream.open(cluster.node(1).url + new URL(url).search);
  while (!pipes.only.isClosed) {
    pipes.only.send('x'.repeat(2 ** 20));
    await setImmediate();
  }
  assert.match(String(pipes.ends[0]), /reads too slowly: more than 67108864 bytes/);
  let last = '';
  while (last !== 'cut') last = await stream.next();
});

test('streams through a node that drains end there, and their clients go on elsewhere', async () => {
  const notes = new Notes();
  await using cluster = await start(3, notes);
  cluster.balancer.pick = ({ method, url = '' }) => (method === 'GET' && url.includes('id=') ? 1 : 0);
  const client = build(cluster.url, 'ServerSentEvents', [0, 0, 0]);
  await client.start();
  const first = client.connectionId;
  assert.equal(cluster.node(1).peers.passing, 1);
  const reconnected = new Promise((resolve) => client.onreconnected(resolve));
  cluster.balancer.pick = () => 2;
  cluster.node(1).peers.release();
  assert.notEqual(await reconnected, first);
  assert.equal(await client.invoke('where'), 2);
  assert.deepEqual([cluster.node(1).peers.passing, notes.ended], [0, [0]]);
  const { url } = await negotiate(cluster.node(0).url);
  const late = await fetch(cluster.node(1).url + new URL(url).search, { headers: { accept: 'text/event-stream' } });
  assert.deepEqual([late.status, late.headers.get('retry-after')], [503, '5']);
  await client.stop();
});

test('a socket that is closed, and does not answer that, cannot be taken over once more', async () => {
  await using cluster = await start(2);
  const { url } = await negotiate(cluster.node(0).url);
  const { endpoint, url: other } = cluster.node(1);
  const through = other + new URL(url).search;
  using first = await RawSocket.join(through);
  first.webSocket.pause();
  const draining = endpoint.drain(60_000);
  await eventually('its token is dead', async () => (await upgradeStatus(through)) === 404);
  assert.equal(endpoint.connectionCount, 1);
  first.webSocket.terminate();
  await draining;
});

test('a WebSocket of nobody is refused with 401, of another user with 403, from another origin with 403, at any node', async () => {
  await using cluster = await Cluster.start<string>(2, guarded);
  const response = await fetch(`${cluster.node(0).url}/negotiate?negotiateVersion=1`, { method: 'POST', headers: { ...ada } });
  const { connectionToken }: { connectionToken: string } = JSON.parse(await response.text());
  for (const [headers, expected] of [
    [{ origin }, 401],
    [bob, 403],
    [{ ...ada, origin: 'https://elsewhere.example' }, 403],
  ] as const) {
    for (const at of [0, 1]) {
      const status = await upgradeStatus(`${cluster.node(at).url}?id=${connectionToken}`, { ...headers });
      assert.equal(status, expected, `${JSON.stringify(headers)} at ${at}`);
    }
  }
  using _ = await RawSocket.open(`${cluster.node(1).url}?id=${connectionToken}`, { ...ada });
});

/** Of the answer that refuses it. */
async function upgradeStatus(url: string, headers?: Record<string, string>): Promise<number | undefined> {
  using socket = new RawSocket(url, headers);
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  socket.webSocket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
  socket.webSocket.once('open', () => resolve(101));
  return await promise;
}

test('tokens that no node has made are unknown at once: the directory is not even asked', async () => {
  await using cluster = await start(2);
  const { url } = await negotiate(cluster.node(0).url);
  const token = new URL(url).searchParams.get('id') ?? '';
  const [sealed = ''] = token.split('.', 1);
  const forged = [
    `${sealed}.node-1`,
    `${sealed}.node-2`,
    `${sealed}.127-0-0-1`,
    `${sealed}.127.0.0.1:80`,
    `${sealed}.evil.example`,
    `${'A'.repeat(55)}.node-0`,
    `${token}&id=${token}`,
    'node-0',
    '.node-0',
  ];
  for (const id of forged) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const response = await fetch(`${cluster.node(1).url}?id=${id}`, { method });
      assert.deepEqual([response.status, await response.text()], [404, 'No Connection with that ID'], `${method} ${id}`);
    }
    assert.equal(await upgradeStatus(`${cluster.node(1).url}?id=${id}`, {}), 404, id);
  }
  assert.deepEqual(cluster.registry.asked, []);
  assert.equal((await fetch(`${cluster.node(1).url}?id=${token}`)).status, 200, 'the real one is passed on');
  assert.deepEqual(cluster.registry.asked, ['node-0']);
});

test('when the owner is killed between two polls, the next one is answered 404, and a client that reconnects goes on elsewhere', async () => {
  const notes = new Notes();
  await using cluster = await start(3, notes);
  cluster.neverToOwner();
  const client = build(cluster.url, 'LongPolling', [0, 0, 0, 0, 0]);
  await client.start();
  assert.equal(await client.invoke('where'), 0);
  const first = client.connectionId;
  const reconnected = new Promise((resolve) => client.onreconnected(resolve));
  cluster.balancer.replace(0, undefined);
  await cluster.node(0).kill();
  cluster.balancer.pick = () => undefined;
  assert.notEqual(await reconnected, first);
  assert.notEqual(await client.invoke('where'), 0);
  await client.stop();
});

test('requests of an owner that is dead, unknown, or known to be gone are answered like those of an unknown connection', async () => {
  await using cluster = await start(2);
  const { url } = await negotiate(cluster.node(0).url);
  const through = cluster.node(1).url + new URL(url).search;
  const unknown = `${cluster.node(1).url}?id=unknown`;
  const address = cluster.registry.addresses.get('node-0') ?? '';
  await cluster.node(0).kill();
  for (const [what, entry] of [
    ['dead', address],
    ['gone', undefined],
    ['no address', 'http://evil.example/'],
  ] as const) {
    if (entry === undefined) cluster.registry.addresses.delete('node-0');
    else cluster.registry.addresses.set('node-0', entry);
    for (const method of ['GET', 'POST', 'DELETE'])
      assert.deepEqual(await shown(through, { method }), await shown(unknown, { method }), `${what}: ${method}`);
  }
  using _ = await RawSocket.join(through);
  assert.equal(cluster.node(1).endpoint.connectionCount, 1, 'a WebSocket does not need its negotiator');
});

test('polls that wait at another node are let go in a drain without losing anything, and wait again elsewhere', async () => {
  const notes = new Notes();
  await using cluster = await start(3, notes);
  const client = build(cluster.url, 'LongPolling');
  const counted: unknown[] = [];
  client.on('counted', (n) => counted.push(n));
  cluster.balancer.pick = ({ method, url = '' }) => (method === 'GET' && url.includes('id=') ? 1 : 0);
  await client.start();
  assert.equal(await client.invoke('where'), 0);
  await eventually('a poll waits through the second node', async () => cluster.node(1).peers.passing === 1);
  const asked = cluster.balancer.requests.length;
  cluster.balancer.pick = ({ method, url = '' }) => (method === 'GET' && url.includes('id=') ? 2 : 0);
  cluster.node(1).peers.release();
  await eventually('it waits through the third', async () => cluster.node(2).peers.passing === 1);
  assert.deepEqual(
    cluster.balancer.requests.slice(asked).map(({ method, server }) => [method, server]),
    [['GET', 2]],
  );
  await client.invoke('count', 3);
  await eventually('all has come', async () => counted.length === 3);
  assert.deepEqual([counted, notes.ended], [[1, 2, 3], []]);
  await client.stop();
});

test('what is sent while a poll is let go arrives, once and in order, at whatever instant', async () => {
  for (let turns = 0; turns < 12; turns++) {
    await using cluster = await start(2);
    const { url: own } = await negotiate(cluster.node(0).url);
    const through = cluster.node(1).url + new URL(own).search;
    await fetch(through);
    await fetch(own, { method: 'POST', body: shake });
    const texts = [await (await fetch(own)).text()];
    const poll = fetch(through);
    await eventually('it waits', async () => cluster.node(1).peers.passing === 1);
    const body = `${JSON.stringify({ type: 1, target: 'count', arguments: [5] })}\u001e`;
    const sent = fetch(own, { method: 'POST', body });
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    cluster.node(1).peers.release();
    await sent;
    texts.push(await (await poll).text());
    if (texts.at(-1) === '') texts.push(await (await fetch(own)).text());
    const numbers = texts.join('').match(/"arguments":\[\d\]/g) ?? [];
    assert.deepEqual(
      numbers,
      [1, 2, 3, 4, 5].map((n) => `"arguments":[${n}]`),
      `after ${turns} turns`,
    );
  }
});

test('when the owner drains, its clients hear of it through the other nodes, and may come back', async () => {
  const notes = new Notes();
  await using cluster = await start(2, notes);
  cluster.neverToOwner();
  const client = build(cluster.url, 'LongPolling', [0, 0, 0]);
  await client.start();
  assert.equal(await client.invoke('where'), 0);
  const reconnecting = new Promise((resolve) => client.onreconnecting(resolve));
  const reconnected = new Promise((resolve) => client.onreconnected(resolve));
  cluster.balancer.pick = () => 1;
  await cluster.node(0).endpoint.drain(2_000);
  await reconnecting;
  await reconnected;
  assert.equal(await client.invoke('where'), 1);
  await client.stop();
});
