import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, type HubConnection as Client, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import {
  allowAnybody,
  Hub,
  type HubContext,
  HubError,
  type HubMethod,
  type HubOptions,
  jsonProtocol,
  messagePackProtocol,
} from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';
import { RawSocket, shake } from './raw-client.ts';

type Context = HubContext<undefined, string>;
interface Options extends Partial<Omit<HubOptions<undefined, string>, 'methods'>> {
  readonly methods?: Readonly<Record<string, HubMethod<undefined, string>>>;
}

async function start(options: Options = {}, limits = {}) {
  const contexts: Context[] = [];
  const left = new Map<string, PromiseWithResolvers<void>>();
  const hub = new Hub<undefined, string>({
    protocols: [jsonProtocol, messagePackProtocol],
    userOf: ({ request }) => request.url.searchParams.get('user') ?? undefined,
    onConnected(context) {
      contexts.push(context);
      left.set(context.connection.id, Promise.withResolvers());
    },
    onDisconnected: ({ connection }) => left.get(connection.id)?.resolve(),
    ...options,
    methods: { sync: () => undefined, join, leave, ...options.methods },
  });
  const server = await startHubServer({ handler: hub, authenticate: allowAnybody, ...limits });
  return {
    hub,
    url: server.url,
    /** What each connection's own methods see, in the order of coming. */
    contexts,
    left: async (id: string) => await left.get(id)?.promise,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const join = ({ groups, connection }: Context, name: unknown) => groups.add(connection.id, String(name));
const leave = ({ groups, connection }: Context, name: unknown) => groups.remove(connection.id, String(name));

interface Listener extends AsyncDisposable {
  readonly client: Client;
  readonly id: string;
  /** All that has come since the last look. */
  heard(): Promise<unknown[]>;
}

async function listen(url: string, { binary = false, transport = HttpTransportType.WebSockets } = {}): Promise<Listener> {
  const builder = new HubConnectionBuilder().withUrl(url, { transport }).configureLogging(LogLevel.None);
  const client = (binary ? builder.withHubProtocol(new MessagePackHubProtocol()) : builder).build();
  const heard: unknown[] = [];
  client.on('said', (...args: unknown[]) => void heard.push(args.length === 1 ? args[0] : args));
  await client.start();
  return {
    client,
    id: client.connectionId ?? '',
    async heard() {
      await client.invoke('sync');
      return heard.splice(0);
    },
    [Symbol.asyncDispose]: () => client.stop(),
  };
}

/** Four over each transport and protocol there is, of two users and of none. */
async function four(url: string) {
  return Promise.all([
    listen(`${url}?user=ada`),
    listen(`${url}?user=ada`, { binary: true }),
    listen(`${url}?user=Ada`, { transport: HttpTransportType.ServerSentEvents }),
    listen(url, { transport: HttpTransportType.LongPolling, binary: true }),
  ]);
}

async function heardBy(listeners: readonly Listener[]): Promise<unknown[][]> {
  return Promise.all(listeners.map((listener) => listener.heard()));
}

test('each target reaches whom it names and nobody else, over every transport and protocol', async () => {
  await using t = await start();
  const listeners = await four(t.url);
  const [a, b, c, d] = listeners.map(({ id }) => id);
  assert.ok(a && b && c && d);
  const { clients, groups } = t.hub;
  for (const [id, name] of [
    [a, 'x'],
    [b, 'x'],
    [b, 'y'],
    [c, 'y'],
    [c, 'X'],
  ] as const)
    await groups.add(id, name);
  for (const [what, proxy, expected] of [
    ['all', clients.all, [1, 1, 1, 1]],
    ['allExcept', clients.allExcept([a, 'nobody']), [0, 1, 1, 1]],
    ['client', clients.client(c), [0, 0, 1, 0]],
    ['nobody', clients.client('nobody'), [0, 0, 0, 0]],
    ['clients, one of them twice', clients.clients([a, d, d, 'nobody']), [1, 0, 0, 1]],
    ['no clients', clients.clients([]), [0, 0, 0, 0]],
    ['group', clients.group('x'), [1, 1, 0, 0]],
    ['group of another case', clients.group('X'), [0, 0, 1, 0]],
    ['no such group', clients.group('z'), [0, 0, 0, 0]],
    ['groups: in two of them, twice', clients.groups(['x', 'y', 'z']), [1, 2, 1, 0]],
    ['groupExcept', clients.groupExcept('x', new Set([a])), [0, 1, 0, 0]],
    ['user', clients.user('ada'), [1, 1, 0, 0]],
    ['users, one of them twice', clients.users(['ada', 'Ada', 'ada', 'nobody']), [1, 1, 1, 0]],
  ] as const) {
    await proxy.send('said', what);
    const counts = (await heardBy(listeners)).map((heard) => heard.filter((text) => text === what).length);
    assert.deepEqual(counts, expected, what);
  }
  await Promise.all(listeners.map((listener) => listener.client.stop()));
});

test('a call sees its caller and the others', async () => {
  await using t = await start({
    methods: {
      tell({ clients }, group) {
        void clients.caller.send('said', 'you');
        void clients.others.send('said', 'they');
        void clients.othersInGroup(String(group)).send('said', 'they in it');
      },
    },
  });
  await using a = await listen(t.url);
  await using b = await listen(t.url);
  await using c = await listen(t.url);
  for (const { client } of [a, b]) await client.invoke('join', 'x');
  await a.client.invoke('tell', 'x');
  assert.deepEqual(await heardBy([a, b, c]), [['you'], ['they', 'they in it'], ['they']]);
});

test('who joins twice is in once, who has left is out, and who was never there may leave', async () => {
  await using t = await start();
  await using a = await listen(t.url);
  await a.client.invoke('leave', 'x');
  await a.client.invoke('join', 'x');
  await a.client.invoke('join', 'x');
  await t.hub.clients.group('x').send('said', 1);
  assert.deepEqual(await a.heard(), [1]);
  await a.client.invoke('leave', 'x');
  await t.hub.clients.group('x').send('said', 2);
  assert.deepEqual(await a.heard(), []);
  await t.hub.groups.add('nobody', 'x');
  await t.hub.groups.remove('nobody', 'x');
});

test('groups end with the connection; in onDisconnected it is gone for all, and the others are still there', async () => {
  const told: unknown[] = [];
  await using t = await start({
    async onDisconnected({ connection, clients, groups }) {
      await groups.add(connection.id, 'x');
      await clients.caller.send('said', 'too late');
      await clients.group('x').send('said', 'somebody left');
      told.push(connection.userId);
    },
  });
  await using a = await listen(t.url);
  await using b = await listen(`${t.url}?user=ada`);
  for (const { client } of [a, b]) await client.invoke('join', 'x');
  await b.client.stop();
  while (told.length === 0) await a.client.invoke('sync');
  assert.deepEqual(told, ['ada']);
  assert.deepEqual(await a.heard(), ['somebody left']);
  await assert.rejects(t.hub.clients.client(b.id).invoke('said', []), {
    name: 'IOException',
    message: `Connection '${b.id}' does not exist.`,
  });
});

test('nothing is sent to a client before its handshake is answered, and in onConnected it can be', async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using t = await start({
    async onHandshake({ userId }) {
      assert.equal(userId, undefined);
      asked.resolve();
      await gate.promise;
    },
    onConnected: ({ clients }) => clients.user('ada').send('said', 'in onConnected'),
  });
  using socket = await RawSocket.open(`${t.url}?user=ada`);
  await t.hub.clients.all.send('said', 'before the handshake');
  socket.send(shake);
  await asked.promise;
  await t.hub.clients.user('ada').send('said', 'before its answer');
  gate.resolve();
  assert.equal(await socket.next(), '{}');
  assert.equal(await socket.next(), '{"type":1,"target":"said","arguments":["in onConnected"]}');
});

test('a user is found once, at the handshake; if that fails, so does the handshake', async () => {
  for (const [error, text] of [
    [new HubError('who are you?'), 'who are you?'],
    [new TypeError('a secret'), 'An unexpected error occurred during connection handshake.'],
  ] as const) {
    for (const onHandshake of [undefined, () => Promise.resolve()]) {
      await using t = await start({
        ...(onHandshake && { onHandshake }),
        userOf() {
          throw error;
        },
      });
      using socket = await RawSocket.open(t.url);
      socket.send(shake);
      assert.equal(await socket.next(), JSON.stringify({ error: text }));
      assert.equal(await socket.next(), 'closed 1000');
      assert.equal(t.contexts.length, 0);
    }
  }
});

test('what is sent to many is encoded once for each protocol', async () => {
  await using t = await start();
  const listeners = await four(t.url);
  let encodings = 0;
  const counted = { toJSON: () => ++encodings };
  await t.hub.clients.all.send('said', counted);
  const [json, binary, polled, polledBinary] = (await heardBy(listeners)).map(([first]) => first);
  assert.deepEqual(new Set([json, binary]), new Set([1, 2]));
  assert.deepEqual([polled, polledBinary], [json, binary]);
  assert.equal(encodings, 2);
  await Promise.all(listeners.map((listener) => listener.client.stop()));
});

test('what cannot be encoded is thrown where it is sent, awaited or not, and nobody gets a part of it', async () => {
  await using t = await start({
    methods: {
      cycle({ clients }) {
        const value: unknown[] = [];
        value.push(value);
        void clients.all.send('said', value);
      },
    },
  });
  await using a = await listen(t.url);
  await assert.rejects(a.client.invoke('cycle'), { message: /unexpected error occurred invoking 'cycle'/ });
  assert.throws(() => t.hub.clients.all.send('said', 2n ** 70n), TypeError);
  assert.deepEqual(await a.heard(), []);
});

test('slow readers are dropped and stall nobody, and what they leave to do is done after the send to all', async () => {
  const leaving: string[] = [];
  let isSending = false;
  await using t = await start(
    {
      // A send of its own makes more of them too slow: not one within the other, however many there are.
      onDisconnected({ clients }) {
        leaving.push(isSending ? 'in the midst of a send' : 'after it');
        void clients.all.send('said', 'one has left');
      },
    },
    { outputLimitBytes: 2 ** 16, outputHighWaterBytes: 2 ** 15 },
  );
  const slow = await Promise.all(Array.from({ length: 50 }, () => RawSocket.join(t.url)));
  await using quick = await listen(t.url);
  for (const { webSocket } of slow) webSocket.pause();
  const text = 'y'.repeat(2 ** 15);
  for (let sent = 0; leaving.length < slow.length; sent++) {
    assert.ok(sent < 2_000, `${leaving.length} of ${slow.length} were dropped`);
    isSending = true;
    void t.hub.clients.all.send('said', text);
    isSending = false;
    assert.ok((await quick.heard()).includes(text), 'who reads gets it, whatever others do');
  }
  assert.deepEqual(new Set(leaving), new Set(['after it']));
  for (const each of slow) each[Symbol.dispose]();
});

test('a connection has items of the app, and methods may be for some only', async () => {
  await using t = await start({
    methods: {
      remember: ({ connection }, value) => void (connection.items = String(value)),
      recall: ({ connection }) => connection.items ?? null,
      secret: { authorize: ({ connection }) => connection.userId === 'ada', run: () => 42 },
    },
  });
  await using a = await listen(`${t.url}?user=ada`);
  await using b = await listen(t.url);
  await a.client.invoke('remember', 'this');
  assert.deepEqual([await a.client.invoke('recall'), await b.client.invoke('recall')], ['this', null]);
  assert.equal(await a.client.invoke('secret'), 42);
  await assert.rejects(b.client.invoke('secret'), { message: /Failed to invoke 'secret' because user is unauthorized$/ });
});
