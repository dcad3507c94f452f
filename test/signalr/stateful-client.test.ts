/** Stateful reconnect with the official client, on a line that breaks, and with what that client is known to do wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  HttpTransportType,
  type HubConnection as Client,
  HubConnectionBuilder,
  type IHubProtocol,
  LogLevel,
  Subject,
} from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import {
  type EndpointOptions,
  type HubOptions,
  jsonProtocol,
  messagePackProtocol,
  method,
  upload,
} from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { StallingProxy } from '../fixtures/stalling-proxy.ts';
import { RawSocket } from './raw-client.ts';
import { startStateful, type StatefulOptions, type StatefulServer } from './stateful-server.ts';

const protocols = [jsonProtocol, messagePackProtocol];

function start({ hub = {}, endpoint = {} }: StatefulOptions = {}): Promise<StatefulServer> {
  return startStateful({ hub: { protocols, ...hub }, endpoint });
}

interface Built {
  readonly client: Client;
  /** What `say` was called with, in order. */
  readonly heard: unknown[];
  /** What became of the connection, as the app is told. */
  readonly told: string[];
}

function build(url: string, { protocol, reconnects }: { protocol?: IHubProtocol; reconnects?: number[] } = {}): Built {
  let builder = new HubConnectionBuilder()
    .withUrl(url, { transport: HttpTransportType.WebSockets })
    .withStatefulReconnect()
    .configureLogging(LogLevel.None);
  if (protocol !== undefined) builder = builder.withHubProtocol(protocol);
  if (reconnects !== undefined) builder = builder.withAutomaticReconnect(reconnects);
  const client = builder.build();
  const heard: unknown[] = [];
  const told: string[] = [];
  client.on('say', (value) => heard.push(value));
  client.onreconnecting(() => told.push('reconnecting'));
  client.onreconnected(() => told.push('reconnected'));
  client.onclose(() => told.push('closed'));
  return { client, heard, told };
}

function onlyConnection({ connections }: StatefulServer) {
  const [connection] = connections.values();
  assert.ok(connection, 'it is connected');
  return connection;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_none, at) => at);
}

/** Which connections the sockets of clients name, in order: `known` or `unknown`. */
function watched(options: StatefulOptions = {}): { readonly named: string[]; readonly options: StatefulOptions } {
  const named: string[] = [];
  const authenticate: EndpointOptions<string>['authenticate'] = ({ kind, connection }) => {
    if (kind === 'connect') named.push(connection === undefined ? 'unknown' : 'known');
    return { principal: 'ada' };
  };
  return { named, options: { ...options, endpoint: { authenticate } } };
}

for (const protocol of [undefined, new MessagePackHubProtocol()]) {
  const name = protocol?.name ?? 'json';

  test(`a break is invisible to the app of the official client, in ${name}`, async () => {
    await using server = await start();
    await using proxy = await Proxy.start(server.url);
    const { client, heard, told } = build(proxy.through(server.url), { ...(protocol && { protocol }), reconnects: [0] });
    await client.start();
    const { connectionId } = client;
    const seen = onlyConnection(server);
    for (let n = 0; n < 5; n++) {
      seen.send('say', heard.length);
      const call = client.invoke('echo', n);
      proxy.cut();
      seen.send('say', 2 * n + 1);
      assert.equal(await call, n);
      await eventually('it has heard', async () => heard.length === 2 * n + 2);
    }
    await client.send('note', 'after all');
    await eventually('it is noted', async () => server.noted.length === 1);
    assert.deepEqual([heard, told, server.ends], [upTo(10), [], []]);
    assert.equal(await client.invoke('id'), connectionId);
    await client.stop();
  });

  test(`three times the buffer waits in a break, and all of it arrives, in ${name}`, async () => {
    await using server = await start();
    await using proxy = await Proxy.start(server.url);
    const { client, told } = build(proxy.through(server.url), protocol && { protocol });
    const sizes: number[] = [];
    client.on('large', (value: string) => sizes.push(value.length));
    await client.start();
    const seen = onlyConnection(server);
    proxy.cut();
    for (const n of upTo(30)) seen.send('large', 'x'.repeat(10_000 + n));
    assert.equal(seen.isWritable, false);
    await eventually('all has arrived', async () => sizes.length === 30);
    assert.deepEqual(
      sizes,
      upTo(30).map((n) => 10_000 + n),
    );
    await eventually('the client has acknowledged it', async () => seen.isWritable);
    assert.equal(await client.invoke('echo', 'on'), 'on');
    assert.deepEqual([told, server.ends], [[], []]);
    await client.stop();
  });
}

test('many breaks lose and double nothing, both ways', async () => {
  await using server = await start();
  await using proxy = await Proxy.start(server.url);
  const { client, heard, told } = build(proxy.through(server.url));
  await client.start();
  const seen = onlyConnection(server);
  const count = 300;
  for (const n of upTo(count)) {
    seen.send('say', n);
    await client.send('note', n);
    if (n % 20 === 19) {
      for (let turn = 0; turn < n / 20; turn++) await setImmediate();
      proxy.cut();
      await eventually('it is back', async () => (await client.invoke('echo', n)) === n);
    }
  }
  await eventually('all has arrived', async () => heard.length >= count && server.noted.length >= count);
  assert.deepEqual([heard, server.noted, told, server.ends], [upTo(count), upTo(count), [], []]);
  await client.stop();
});

test('a client that stops is gone at once, and leaves no socket behind', async () => {
  const { named, options } = watched();
  await using server = await start(options);
  const { client, told } = build(server.url);
  await client.start();
  await client.stop();
  await eventually('it has ended', async () => server.ends.length === 1);
  await server.alone();
  assert.deepEqual([told, server.ends, named], [['closed'], ['in order'], ['known']]);
  assert.equal(server.endpoint.connectionCount, 0);
});

for (const allowReconnect of [false, true]) {
  const how = allowReconnect ? 'that allows it to come back' : 'for good';
  test(`behind a Close ${how}, the client's second socket finds nothing, and no zombie stays`, async () => {
    const { named, options } = watched();
    await using server = await start(options);
    const { client, told } = build(server.url, allowReconnect ? { reconnects: [0, 0] } : {});
    await client.start();
    const first = client.connectionId;
    onlyConnection(server).close({ allowReconnect });
    await eventually('it has ended', async () => server.ends.length === 1);
    if (allowReconnect) {
      await eventually('it is back, anew', async () => told.includes('reconnected'));
      assert.notEqual(client.connectionId, first);
      assert.deepEqual(named.toSorted(), ['known', 'known', 'unknown']);
      await client.stop();
    } else {
      await eventually('it has asked again', async () => named.length === 2);
      assert.deepEqual(named, ['known', 'unknown']);
    }
    await server.alone();
    assert.equal(server.endpoint.connectionCount, 0);
  });
}

test('a client whose place was taken comes back, as behind any close without a Close, and has it again', async () => {
  await using server = await start();
  await using proxy = await Proxy.start(server.url);
  const { client, told } = build(proxy.through(server.url));
  await client.start();
  const [path = ''] = proxy.requests.at(-1)?.line.split(' ').slice(1) ?? [];
  using thief = await RawSocket.open(new URL(path, server.url).href);
  assert.equal(await thief.next(), '{"type":9,"sequenceId":1}');
  assert.equal(await thief.next(), 'closed 1000');
  assert.equal(await client.invoke('echo', 'mine'), 'mine');
  assert.deepEqual([told, server.ends, server.endpoint.connectionCount], [[], [], 1]);
  await client.stop();
});

test('a client that cannot come back begins anew, as any other', async () => {
  await using server = await start();
  await using proxy = await StallingProxy.start(server.url);
  const { client, told } = build(proxy.url, { reconnects: [0, 0, 0, 0, 0] });
  await client.start();
  const first = client.connectionId;
  proxy.refuse(true);
  proxy.cut();
  await eventually('it has given up', async () => told.includes('reconnecting'));
  proxy.refuse(false);
  await eventually('it is back', async () => told.includes('reconnected'));
  assert.notEqual(client.connectionId, first);
  assert.equal(server.connections.size, 2, 'the first may still come back');
  server.clock.advance(16_000);
  await setImmediate();
  assert.deepEqual([server.connections.size, server.ends], [1, ['in order']]);
  await client.stop();
});

test('the socket that a client opens after its own time-out and forgets does not stay', async () => {
  await using server = await start();
  await using proxy = await StallingProxy.start(server.url);
  const { client, told } = build(proxy.url);
  client.serverTimeoutInMilliseconds = 100;
  await client.start();
  // Not a word passes any more, the client's close frame neither.
  proxy.stall();
  await eventually('the client has given up', async () => told.includes('closed'));
  await eventually('its second socket is here', async () => proxy.connectionCount >= 2);
  for (let second = 0; second < 7; second++) server.clock.advance(1_000);
  await eventually('its connection has ended', async () => server.endpoint.connectionCount === 0);
  await proxy[Symbol.asyncDispose]();
  await server.alone();
  assert.deepEqual(server.ends, ['the client showed no Sequence on its return for 5000 ms']);
});

test('a client in its break stalls nobody', async () => {
  await using server = await start();
  await using proxy = await StallingProxy.start(server.url);
  const away = build(proxy.url);
  const here = build(server.url);
  await away.client.start();
  await here.client.start();
  proxy.refuse(true);
  proxy.cut();
  for (const n of upTo(200)) for (const each of server.connections.values()) each.send('say', n, 'x'.repeat(2_000));
  await eventually('who is here has heard all', async () => here.heard.length === 200);
  assert.deepEqual(here.heard, upTo(200));
  await here.client.stop();
});

test('streams both ways go on over breaks, and wait for acknowledgements instead of filling memory', async () => {
  const collected: unknown[] = [];
  let made = 0;
  const methods: HubOptions<string>['methods'] = {
    *count(_context, to) {
      for (; made < Number(to); made++) yield [made, 'x'.repeat(1_000)];
    },
    collect: method({
      parameters: [upload()],
      async run(_context, items) {
        for await (const item of items) collected.push(item);
        return collected.length;
      },
    }),
  };
  await using server = await start({ hub: { methods } });
  await using proxy = await Proxy.start(server.url);
  const { client, told } = build(proxy.through(server.url));
  await client.start();
  const count = 150;
  const items: unknown[] = [];
  const { promise: completed, resolve, reject } = Promise.withResolvers<void>();
  client.stream<[number, string]>('count', count).subscribe({
    next: ([n]) => void items.push(n),
    error: reject,
    complete: resolve,
  });
  const seen = onlyConnection(server);
  await eventually('the buffer is full', async () => !seen.isWritable);
  assert.ok(made < 110, `${made} were made`);
  const subject = new Subject<number>();
  const sum = client.invoke('collect', subject);
  for (const n of upTo(60)) {
    subject.next(n);
    if (n % 20 === 10) proxy.cut();
    await setImmediate();
  }
  subject.complete();
  assert.equal(await sum, 60);
  await completed;
  assert.deepEqual([items, collected, told, server.ends], [upTo(count), upTo(60), [], []]);
  await client.stop();
});

test('a client that is away is asked when it is back, and its answer counts', async () => {
  await using server = await start();
  await using proxy = await Proxy.start(server.url);
  const { client } = build(proxy.through(server.url));
  client.on('ask', (value: number) => value + 1);
  await client.start();
  const seen = onlyConnection(server);
  for (const n of upTo(5)) {
    proxy.cut();
    assert.equal(await server.hub.clients.client(seen.id).invoke('ask', [n]), n + 1);
  }
  await client.stop();
});
