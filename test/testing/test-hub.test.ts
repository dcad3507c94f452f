import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, type HubConnection, HubConnectionBuilder, HubConnectionState, LogLevel } from '@microsoft/signalr';
import { HubError, method, text, type TypedConnection } from '../../src/signalr/index.ts';
import { startTestHub } from '../../src/testing/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

interface Chat {
  server: {
    say(room: string, text: string): number;
    count(to: number): AsyncIterable<number>;
    ping(): string;
  };
  client: {
    said(room: string, text: string): void;
    confirm(question: string): boolean;
  };
}

const transports = {
  WebSockets: HttpTransportType.WebSockets,
  ServerSentEvents: HttpTransportType.ServerSentEvents,
  LongPolling: HttpTransportType.LongPolling,
} as const;

interface Wishes {
  readonly transport?: HttpTransportType;
  readonly token?: string;
  readonly stateful?: boolean;
}

function build(url: string, { transport = HttpTransportType.WebSockets, token, stateful }: Wishes = {}): HubConnection {
  const options = { transport, ...(token !== undefined && { accessTokenFactory: () => token }) };
  const builder = new HubConnectionBuilder().withUrl(url, options).withAutomaticReconnect([0, 0, 0]);
  if (stateful === true) builder.withStatefulReconnect();
  return builder.configureLogging(LogLevel.None).build();
}

async function connect(url: string, wishes: Wishes = {}): Promise<HubConnection> {
  const client = build(url, wishes);
  await client.start();
  return client;
}

async function next(client: HubConnection, target: string): Promise<unknown[]> {
  return await new Promise((resolve) => client.on(target, (...args: unknown[]) => resolve(args)));
}

async function back(client: HubConnection): Promise<unknown> {
  return await new Promise((resolve) => client.onreconnected(resolve));
}

async function closed(client: HubConnection): Promise<Error | undefined> {
  return await new Promise((resolve) => client.onclose(resolve));
}

test('it starts in milliseconds, a hundred times over', async (t) => {
  const begun = performance.now();
  for (let n = 0; n < 100; n++) {
    await using _hub = await startTestHub();
  }
  const each = (performance.now() - begun) / 100;
  t.diagnostic(`${each.toFixed(1)} ms each`);
  assert.ok(each < 50);
});

for (const [name, transport] of Object.entries(transports)) {
  test(`calls over ${name} are answered as the test says, and written down`, async () => {
    await using hub = await startTestHub<Chat>({ methods: { ping: () => 'pong' } });
    const client: HubConnection = await connect(hub.url, { transport });
    const connection = await hub.connected();
    assert.deepEqual([connection.id, connection.transport], [client.connectionId, name]);
    assert.equal(await client.invoke('Ping'), 'pong');
    hub.answer('say', method({ parameters: [text, text], run: (_context, _room, line) => line.length }));
    assert.equal(await client.invoke('say', 'hall', 'hello'), 5);
    hub.answer('say', () => {
      throw new HubError('the room is full');
    });
    await assert.rejects(client.invoke('say', 'hall', 'again'), { message: /HubException: the room is full$/ });
    hub.answer('count', function* () {
      yield 1;
      yield 2;
    });
    const items: unknown[] = [];
    await new Promise<void>((resolve, reject) =>
      client.stream('count', 2).subscribe({ next: (item) => items.push(item), error: reject, complete: resolve }),
    );
    assert.deepEqual(items, [1, 2]);
    await assert.rejects(client.invoke('sya', 'hall'), { message: /HubException: Method does not exist\.$/ });
    await client.send('say', 'hall', 'nobody waits');
    const said = [await hub.invoked('say'), await hub.invoked('say'), await hub.invoked('say')];
    assert.deepEqual(
      said.map((call) => call.arguments),
      [
        ['hall', 'hello'],
        ['hall', 'again'],
        ['hall', 'nobody waits'],
      ],
    );
    assert.equal(said[0]?.connection, connection);
    assert.deepEqual(
      hub.invocations.map(({ target }) => target),
      ['Ping', 'say', 'say', 'count', 'sya', 'say'],
    );
    await client.stop();
  });

  test(`clients over ${name} are called, asked, and grouped`, async () => {
    await using hub = await startTestHub<Chat>({
      hub: { userOf: ({ request }) => request.url.searchParams.get('user') ?? undefined },
    });
    const client = await connect(`${hub.url}?user=ada`, { transport });
    const { id, userId, request } = await hub.connected();
    assert.deepEqual([userId, request.url.searchParams.get('user')], ['ada', 'ada']);
    const said = next(client, 'said');
    await hub.groups.add(id, 'hall');
    await hub.clients.group('hall').send('said', 'hall', 'hello');
    assert.deepEqual(await said, ['hall', 'hello']);
    client.on('confirm', (question) => question === 'sure?');
    assert.equal(await hub.clients.user('ada').send('said', 'hall', 'x'), undefined);
    assert.equal(await hub.clients.client(id).invoke('confirm', ['sure?']), true);
    await client.stop();
  });

  test(`a client over ${name} that is dropped comes back`, async () => {
    await using hub = await startTestHub();
    const client = await connect(hub.url, { transport });
    const first = await hub.connected();
    // In a poll, not between two.
    hub.answer('sync', () => null);
    await client.invoke('sync');
    const lost = new Promise<void>((resolve) => client.onreconnecting(() => resolve()));
    const returned = back(client);
    first.drop();
    await lost;
    await returned;
    const second = await hub.connected();
    assert.notEqual(second.id, first.id);
    assert.deepEqual([first.isClosed, hub.connections], [true, [second]]);
    await client.stop();
  });

  test(`a client over ${name} is closed as a hub closes it, with an error or to come back`, async () => {
    await using hub = await startTestHub();
    const client = await connect(hub.url, { transport });
    const returned = back(client);
    hub.close({ allowReconnect: true });
    await returned;
    const end = closed(client);
    hub.close({ error: 'enough' });
    assert.match(String(await end), /Server returned an error on close: enough/);
  });

  test(`with a network that is stuck, nothing goes over ${name} either way until it is released`, async () => {
    await using hub = await startTestHub({ methods: { echo: (_context, value) => value } });
    const client = await connect(hub.url, { transport });
    hub.hold();
    const order: unknown[] = [];
    client.on('said', () => order.push('said'));
    await hub.clients.all.send('said');
    const calls = [1, 2].map(async (n) => order.push(await client.invoke('echo', n)));
    // Both have left the client by then.
    await (await fetch(`${hub.url}/negotiate?negotiateVersion=1`, { method: 'POST' })).text();
    assert.deepEqual([order, hub.invocations], [[], []]);
    hub.release();
    await Promise.all(calls);
    assert.deepEqual(order, ['said', 1, 2]);
    await client.stop();
  });
}

test('what is delayed takes its time in each direction, and keeps its order', async () => {
  const clock = new ManualClock();
  await using hub = await startTestHub({ clock, methods: { echo: (_context, value) => value } });
  const client = await connect(hub.url);
  hub.delay(100);
  const order: unknown[] = [];
  const called = hub.connections.map(async () => await hub.invoked('echo'));
  const calls = [1, 2].map(async (n) => order.push(await client.invoke('echo', n)));
  while (hub.invocations.length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10);
  }
  await Promise.all(called);
  const begun = clock.now();
  while (order.length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10);
  }
  assert.deepEqual(order, [1, 2]);
  assert.ok(clock.now() - begun >= 90, `the answers took ${clock.now() - begun} ms`);
  await Promise.all(calls);
  await client.stop();
});

test('a close frame without a word of the hub is told from a close by the hub', async () => {
  await using hub = await startTestHub();
  const client = await connect(hub.url);
  const lost = new Promise<Error | undefined>((resolve) => client.onreconnecting(resolve));
  const returned = back(client);
  (await hub.connected()).closeTransport();
  await lost;
  await returned;
  await client.stop();
});

test('with stateful reconnect a drop goes unnoticed, and what was sent meanwhile arrives', async () => {
  await using hub = await startTestHub({ endpoint: { statefulReconnect: true }, methods: { echo: (_context, value) => value } });
  const client = await connect(hub.url, { stateful: true });
  const connection = await hub.connected();
  const { connectionId } = client;
  const said = next(client, 'said');
  connection.drop();
  connection.send('said', 'in the break');
  assert.deepEqual(await said, ['in the break']);
  assert.equal(await client.invoke('echo', 1), 1);
  assert.deepEqual([client.connectionId, hub.connections], [connectionId, [connection]]);
  await client.stop();
});

test('requests are refused as often as it is said, by their kind, and written down', async () => {
  await using hub = await startTestHub({
    authenticate: ({ url, incoming }) =>
      (incoming.headers.authorization ?? url.searchParams.get('access_token'))?.endsWith('secret') === true
        ? { principal: 'ada' }
        : { status: 401 },
  });
  hub.refuse({ status: 503, headers: { 'Retry-After': '1' }, body: 'not now' }, { times: 2 });
  await assert.rejects(connect(hub.url, { token: 'secret' }), { message: /not now: Status code '503'/ });
  await assert.rejects(connect(hub.url, { token: 'secret' }), { message: /503/ });
  await assert.rejects(connect(hub.url, { token: 'wrong' }), { message: /401/ });
  const client = await connect(hub.url, { token: 'secret' });
  await client.stop();
  hub.refuse({ status: 500 }, { kind: 'connect' });
  await assert.rejects(connect(hub.url, { token: 'secret' }));
  hub.accept();
  const again = await connect(hub.url, { token: 'secret' });
  await again.stop();
  const negotiated = hub.requests.filter(({ kind }) => kind === 'negotiate');
  assert.deepEqual(
    negotiated.map(({ accessToken }) => accessToken),
    ['secret', 'secret', 'wrong', 'secret', 'secret', 'secret'],
  );
  assert.equal(hub.requests.filter(({ kind }) => kind === 'connect').length, 3);
  assert.match(String(negotiated[0]?.headers['user-agent'] ?? ''), /SignalR/);
});

test('elsewhere there is nothing', async () => {
  await using hub = await startTestHub();
  assert.equal((await fetch(hub.url.replace('/hub', '/elsewhere'))).status, 404);
});

test('it ends although an upgrade waits to be admitted', async () => {
  const asked = Promise.withResolvers<void>();
  const hub = await startTestHub({
    authenticate(request) {
      if (request.kind === 'negotiate') return { principal: undefined };
      asked.resolve();
      return new Promise<never>(() => undefined);
    },
  });
  const refused = assert.rejects(connect(hub.url));
  await asked.promise;
  await hub[Symbol.asyncDispose]();
  await refused;
});

test('handshakes are refused with a text', async () => {
  await using hub = await startTestHub();
  hub.refuseHandshake('no seat left', 1);
  await assert.rejects(connect(hub.url), { message: /no seat left/ });
  const client = await connect(hub.url);
  assert.equal(client.state, HubConnectionState.Connected);
  await client.stop();
});

test('the contract of the app is checked by the compiler', async () => {
  await using hub = await startTestHub<Chat>();
  // @ts-expect-error there is no such method
  hub.answer('shout', () => 1);
  // @ts-expect-error a text is promised
  hub.answer('ping', () => 1);
  // @ts-expect-error there is no such method at the clients
  await hub.clients.all.send('sad');
  const client: TypedConnection<Chat> = build(hub.url);
  await client.start();
  await assert.rejects(client.invoke('say', 'hall', 'unanswered'), { message: /Method does not exist/ });
  assert.throws(() => Reflect.apply(hub.answer, hub, ['ping', 'pong']), TypeError);
  await client.stop();
});
