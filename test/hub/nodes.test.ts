/** Pages of several servers on one store, whose requests come anywhere. */
import assert from 'node:assert/strict';
import { mock, test as register } from 'node:test';
import { Visitor } from '../cluster/visitor.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request, type RequestOptions } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { noPostgres } from '../fixtures/postgres.ts';
import { RawSocket, shake } from '../signalr/raw-client.ts';
import { Nodes } from './nodes.ts';

function test(title: string, run: () => Promise<void>): void {
  register(title, { skip: noPostgres }, run);
}

/** A connection that was negotiated at the first server, with its ticket. */
async function negotiated(nodes: Nodes, bearer: string) {
  const { status, body } = await request('POST', `${nodes.url(0)}/hub/negotiate?negotiateVersion=1`, { bearer });
  assert.equal(status, 200);
  assert.ok(typeof body === 'object' && body !== null && 'connectionToken' in body && 'connectionId' in body);
  const ticket = 'accessToken' in body ? String(body.accessToken) : '';
  return { id: String(body.connectionId), query: `?id=${String(body.connectionToken)}`, ticket };
}

function hub(nodes: Nodes, at: number, query: string): string {
  return `${nodes.url(at)}/hub${query}`;
}

/** `101`, or the status that refuses it. */
async function upgraded(url: string, bearer: string): Promise<RawSocket & { status: number }> {
  const socket = new RawSocket(url, { authorization: `Bearer ${bearer}` });
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.webSocket.once('unexpected-response', (_request, { statusCode = 0 }) => resolve(statusCode));
  socket.webSocket.once('open', () => resolve(101));
  return Object.assign(socket, { status: await promise });
}

for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const) {
  for (const reach of ['each in turn', 'never the owner'] as const) {
    test(`a page over ${transport} gets and acks everything, ${reach}`, async () => {
      await using nodes = await Nodes.start(3);
      if (reach === 'never the owner') nodes.neverToOwner();
      const opened = await nodes.backEnd.open();
      await nodes.backEnd.send(opened.id);
      await using page = await Page.open({
        ...opened,
        transport,
        onMessage: ({ sequence }, { connection }) => void connection.send('ack', sequence),
      });
      for (let n = 2; n <= 8; n++) {
        const { id } = await nodes.backEnd.send(opened.id);
        await eventually('it is handled', async () => (await nodes.backEnd.receipt(opened.id, id)).status === 'handled');
      }
      assert.deepEqual(page.sequences, [1, 2, 3, 4, 5, 6, 7, 8]);
      const { connections } = await nodes.backEnd.transaction(opened.id);
      const [connection, ...others] = connections;
      assert.equal(others.length, 0);
      assert.deepEqual([connection?.id, connection?.transport], [page.connection.connectionId, transport]);
      assert.ok(nodes.names.includes(connection?.node ?? ''));
      const isPassedOn = nodes.balancer.requests.some(
        ({ target, server }) => target.includes('id=') && nodes.ownerOf(target) !== server,
      );
      assert.ok(isPassedOn, 'some request came to another server');
      await page.connection.stop();
      await eventually('its row is gone', async () => (await nodes.backEnd.transaction(opened.id)).connections.length === 0);
    });
  }

  test(`a page over ${transport} whose token is revoked is told so, wherever that is said`, async () => {
    await using nodes = await Nodes.start(2);
    nodes.neverToOwner();
    const opened = await nodes.backEnd.open();
    await using page = await Page.open({ ...opened, transport });
    const answer = await nodes.backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`);
    assert.equal(answer.status, 204);
    const closed = await page.until(({ name }) => name === 'closed');
    assert.ok(closed.name === 'closed' && closed.reason === 'revoked');
    await page.ended();
  });

  test(`a page over ${transport} goes on elsewhere when its server is drained`, async () => {
    await using nodes = await Nodes.start(2);
    const opened = await nodes.backEnd.open();
    nodes.balancer.pick = () => 0;
    await using page = Page.create({ ...opened, transport, reconnects: 20 });
    await page.connection.start();
    nodes.balancer.pick = ({ url = '' }) => (url.startsWith('/hub') ? 1 : 0);
    await nodes.backEnd.send(opened.id);
    await page.untilMessages(1);
    await page.ack(1);
    // The answer to an ack does not wait for the store: one that comes back sooner may be told the message again.
    await eventually('it is acked', async () => (await nodes.backEnd.transaction(opened.id)).ackedSequence === 1);
    nodes.balancer.pick = () => 1;
    await nodes.drain(0);
    nodes.balancer.replace(0, undefined);
    await page.until(({ name }) => name === 'reconnected');
    await nodes.backEnd.send(opened.id);
    await page.until((call) => call.name === 'message' && call.message.sequence === 2);
    assert.deepEqual(page.sequences, [1, 2]);
  });
}

test('a page that polls does not notice that a server on its way is drained', async () => {
  await using nodes = await Nodes.start(3);
  const opened = await nodes.backEnd.open();
  nodes.balancer.pick = ({ url = '' }) => (url.includes('id=') ? 1 : 0);
  await using page = await Page.open({ ...opened, transport: 'LongPolling' });
  const { connectionId } = page.connection;
  nodes.balancer.pick = ({ url = '' }) => (url.includes('id=') ? 2 : 0);
  await nodes.drain(1);
  await nodes.backEnd.send(opened.id);
  await page.untilMessages(1);
  await page.ack(1);
  assert.equal(page.connection.connectionId, connectionId);
  assert.deepEqual(
    page.calls.map(({ name }) => name),
    ['caughtUp', 'message'],
  );
});

test('of two sockets with one token at two servers, one is attached', async () => {
  await using nodes = await Nodes.start(3);
  const opened = await nodes.backEnd.open();
  for (const [one, other] of [
    [0, 1],
    [1, 2],
  ] as const) {
    const { query, ticket } = await negotiated(nodes, opened.accessToken);
    const sockets = await Promise.all([one, other].map((at) => upgraded(hub(nodes, at, query), ticket)));
    for (const socket of sockets) if (socket.status === 101) socket.send(shake);
    const answers = await Promise.all(
      sockets.map(async (socket) => (socket.status === 101 ? socket.next() : `${socket.status}`)),
    );
    assert.ok(
      answers.some((answer) => answer === '409' || answer.startsWith('{"error":"The ticket')),
      answers.join(),
    );
    assert.equal(answers.filter((answer) => answer === '{}').length, 1, answers.join());
    for (const socket of sockets) socket[Symbol.dispose]();
  }
});

for (const [first, second, order] of [
  ['the ticket elsewhere', 'the access token at its own server', [1, 0]],
  ['the access token at its own server', 'the ticket elsewhere', [0, 1]],
  ['the access token elsewhere', 'the ticket at its own server', [1, 0]],
  ['the ticket at its own server', 'the access token elsewhere', [0, 1]],
] as const) {
  test(`a connection that was attached with ${first} is not attached again with ${second}`, async () => {
    await using nodes = await Nodes.start(2);
    const opened = await nodes.backEnd.open();
    const { id, query, ticket } = await negotiated(nodes, opened.accessToken);
    const bearers = [first, second].map((which) => (which.includes('ticket') ? ticket : opened.accessToken));
    using attached = await upgraded(hub(nodes, order[0], query), bearers[0] ?? '');
    attached.send(shake);
    assert.equal(await attached.next(), '{}');
    using again = await upgraded(hub(nodes, order[1], query), bearers[1] ?? '');
    assert.equal(again.status, 101);
    again.send(shake);
    assert.match(await again.next(), /^\{"error":"The ticket of this connection is no longer good/);
    await eventually('its row is there', async () => (await nodes.backEnd.transaction(opened.id)).connections.length > 0);
    const { connections } = await nodes.backEnd.transaction(opened.id);
    assert.deepEqual(
      connections.map((row) => [row.id, row.node]),
      [[id, nodes.names[order[0]]]],
    );
  });
}

test('a client that goes on with its access token attaches anywhere, by whatever transport', async () => {
  await using nodes = await Nodes.start(2);
  const opened = await nodes.backEnd.open();
  for (const at of [0, 1]) {
    const { query } = await negotiated(nodes, opened.accessToken);
    using socket = await upgraded(hub(nodes, at, query), opened.accessToken);
    socket.send(shake);
    assert.equal(await socket.next(), '{}', `a socket at ${at}`);
    const polled = await negotiated(nodes, opened.accessToken);
    const bearer = opened.accessToken;
    assert.equal((await request('GET', hub(nodes, at, polled.query), { bearer })).status, 200);
    assert.equal((await request('POST', hub(nodes, 1 - at, polled.query), { bearer, raw: shake })).status, 200);
    assert.match((await request('GET', hub(nodes, at, polled.query), { bearer })).text, /^\{\}/, `polls at ${at}`);
    await request('DELETE', hub(nodes, at, polled.query), { bearer });
  }
});

test('a connection whose socket is at another server is refused as if it were here', async () => {
  await using nodes = await Nodes.start(3);
  const opened = await nodes.backEnd.open();
  const { query, ticket } = await negotiated(nodes, opened.accessToken);
  using socket = await upgraded(hub(nodes, 1, query), ticket);
  socket.send(shake);
  assert.equal(await socket.next(), '{}');
  assert.equal((await request('DELETE', hub(nodes, 0, query), { bearer: ticket })).status, 400);
  for (const at of [0, 1, 2]) {
    using second = await upgraded(hub(nodes, at, query), ticket);
    assert.equal(second.status, 409, `an upgrade at ${at}`);
    const poll = await request('GET', hub(nodes, at, query), { bearer: ticket });
    assert.deepEqual([poll.status, poll.text], [400, 'Cannot change transports mid-connection'], `a poll at ${at}`);
    const post = await request('POST', hub(nodes, at, query), { bearer: ticket, raw: shake });
    assert.equal(post.status, 405, `a POST at ${at}`);
    const bye = await request('DELETE', hub(nodes, at, query), { bearer: ticket });
    assert.equal(bye.status, 400, `a DELETE at ${at}`);
  }
  socket.webSocket.close();
  await eventually('it is gone', async () => (await nodes.backEnd.transaction(opened.id)).connections.length === 0);
  for (const at of [1, 2]) {
    using third = await upgraded(hub(nodes, at, query), ticket);
    assert.equal(third.status, 401, `an upgrade at ${at}, later`);
  }
});

test('a ticket is good for the token that it was given with, or any other of its transaction, until one is attached', async () => {
  await using nodes = await Nodes.start(2);
  const opened = await nodes.backEnd.open();
  const stranger = await nodes.backEnd.open();
  const { query, ticket } = await negotiated(nodes, opened.accessToken);
  const other = await negotiated(nodes, stranger.accessToken);
  using wrong = await upgraded(hub(nodes, 1, query), other.ticket);
  assert.equal(wrong.status, 403);
  using nobody = await upgraded(hub(nodes, 1, query), `${ticket.slice(0, -1)}_`);
  assert.equal(nobody.status, 401);
  using right = await upgraded(hub(nodes, 1, query), ticket);
  assert.equal(right.status, 101);
});

test('bad credentials are counted for the address of the client, wherever they are shown', async () => {
  await using nodes = await Nodes.start(2, { trustedProxies: ['127.0.0.0/8'], limits: { failedCredentialsPerMinute: 3 } });
  const opened = await nodes.backEnd.open();
  const { query } = await negotiated(nodes, opened.accessToken);
  const guess = async (address: string, headers: RequestOptions['headers'] = {}): Promise<number> => {
    const bearer = 'rbtk_0000000000000000000000000000000000000000000';
    return (
      await request('POST', hub(nodes, 1, query), { bearer, raw: 'x', headers: { 'x-forwarded-for': address, ...headers } })
    ).status;
  };
  for (let n = 0; n < 3; n++) assert.equal(await guess('203.0.113.7', { 'ringback-peer-client': `198.51.100.${n}` }), 401);
  assert.equal(await guess('203.0.113.7'), 429);
  assert.equal(await guess('203.0.113.8'), 401, 'another client');
});

test("an app's own check is asked at negotiate, and tickets go anywhere", async () => {
  const asked: string[] = [];
  let id = '';
  await using nodes = await Nodes.start(2, {
    authenticate({ headers }) {
      asked.push(String(headers['x-visitor']));
      return headers['x-visitor'] === 'ada' ? { transactionId: id } : null;
    },
  });
  nodes.neverToOwner();
  const opened = await nodes.backEnd.open();
  id = opened.id;
  for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const) {
    await using page = await Page.open({ hubUrl: opened.hubUrl, transport, client: { headers: { 'x-visitor': 'ada' } } });
    assert.equal(page.connection.state, 'Connected');
  }
  assert.deepEqual(asked, ['ada', 'ada', 'ada']);
});

test('where servers cannot reach each other, WebSockets work, polls are answered 404, and our client asks by HTTP', async () => {
  mock.method(console, 'warn', () => undefined);
  await using nodes = await Nodes.start(2);
  await nodes.separate();
  nodes.neverToOwner();
  const opened = await nodes.backEnd.open();
  await using page = await Page.open({ ...opened, transport: 'WebSockets' });
  await assert.rejects(Page.open({ ...opened, transport: 'LongPolling' }), /404/);
  nodes.balancer.takesUpgrades = false;
  await using visitor = new Visitor(opened);
  await nodes.backEnd.send(opened.id);
  await page.untilMessages(1);
  await eventually('it is handled', async () => (await nodes.backEnd.transaction(opened.id)).ackedSequence === 1);
  assert.deepEqual([visitor.sequences, visitor.state], [[1], 'polling']);
  const warned = nodes.warnings.find((fields) => 'event' in fields && fields.event === 'peers.node.unreachable');
  assert.match(JSON.stringify(warned), /"address":"127\.0\.0\.1:9","failure":"connect ECONNREFUSED/);
});
