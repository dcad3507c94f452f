import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, type HubConnection as Client, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { allowAnybody, Hub, HubError, RawJson } from '../../src/signalr/index.ts';
import { startHubServer } from './hub-server.ts';

function createHub(ended: (error: Error | undefined) => void = () => undefined): Hub<undefined> {
  return new Hub<undefined>({
    methods: {
      echo: (_context, value) => value,
      add: async (_context, a, b) => Number(a) + Number(b),
      transport: ({ connection }) => connection.transport,
      greet({ connection }, name) {
        connection.send('greeting', new RawJson(`{"to":${JSON.stringify(name)}}`));
      },
      fail() {
        throw new TypeError('secret');
      },
      tell() {
        throw new HubError('no such order');
      },
      bye: ({ connection }) => connection.close({ error: 'enough' }),
      again: ({ connection }) => connection.close({ allowReconnect: true }),
    },
    onDisconnected: (_context, error) => ended(error),
  });
}

function build(url: string, options: { transport?: HttpTransportType; skipNegotiation?: boolean }): HubConnectionBuilder {
  return new HubConnectionBuilder().withUrl(url, options).configureLogging(LogLevel.None);
}

async function closed(client: Client): Promise<Error | undefined> {
  return await new Promise((resolve) => client.onclose(resolve));
}

const ways = {
  WebSockets: { transport: HttpTransportType.WebSockets },
  'WebSockets without negotiation': { transport: HttpTransportType.WebSockets, skipNegotiation: true },
  ServerSentEvents: { transport: HttpTransportType.ServerSentEvents },
  LongPolling: { transport: HttpTransportType.LongPolling },
} as const;

for (const [way, options] of Object.entries(ways)) {
  test(`the official client calls, is called, fails and stops over ${way}`, async () => {
    const end = Promise.withResolvers<Error | undefined>();
    await using server = await startHubServer({ handler: createHub(end.resolve), authenticate: allowAnybody });
    const client = build(server.url, options).build();
    const greeting = new Promise((resolve) => client.on('greeting', resolve));
    await client.start();
    assert.deepEqual(await client.invoke('Echo', { a: [1, 'ü😀', null] }), { a: [1, 'ü😀', null] });
    assert.equal(await client.invoke('ADD', 1, 2), 3);
    assert.equal(await client.invoke('transport'), way.split(' ')[0]);
    await client.send('greet', 'ada');
    assert.deepEqual(await greeting, { to: 'ada' });
    await assert.rejects(client.invoke('fail'), { message: "An unexpected error occurred invoking 'fail' on the server." });
    await assert.rejects(client.invoke('tell'), { message: /HubException: no such order$/ });
    await assert.rejects(client.invoke('nothing'), { message: /HubException: Method does not exist\.$/ });
    await client.stop();
    assert.equal(await end.promise, undefined, 'a client that stops is no error');
  });

  test(`a hundred calls over ${way} are answered each with its own`, async () => {
    await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
    const client = build(server.url, options).build();
    await client.start();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.invoke('echo', n)));
    assert.deepEqual(
      answers,
      Array.from({ length: 100 }, (_, n) => n),
    );
    await client.stop();
  });

  test(`a close with an error ends the client over ${way} for good`, async () => {
    await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
    const client = build(server.url, options).withAutomaticReconnect().build();
    await client.start();
    const end = closed(client);
    await client.send('bye');
    assert.match(String(await end), /Server returned an error on close: enough/);
  });

  test(`a close that allows it makes the client over ${way} come back`, async () => {
    await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
    const client = build(server.url, options).withAutomaticReconnect([0, 0, 0]).build();
    await client.start();
    const back = new Promise((resolve) => client.onreconnected(resolve));
    await client.send('again');
    await back;
    assert.equal(await client.invoke('echo', 'here'), 'here');
    await client.stop();
  });
}

test('a drain makes clients of all transports come back, and lets nobody in meanwhile', async () => {
  await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
  const clients = await Promise.all(
    [ways['WebSockets'], ways['ServerSentEvents'], ways['LongPolling']].map(async (options) => {
      const client = build(server.url, options).withAutomaticReconnect([60_000]).build();
      await client.start();
      return client;
    }),
  );
  const leaving = clients.map((client) => new Promise((resolve) => client.onreconnecting(resolve)));
  assert.equal(server.endpoint.connectionCount, 3);
  await Promise.all([server.endpoint.drain(50), ...leaving]);
  assert.equal(server.endpoint.connectionCount, 0);
  const late = build(server.url, {}).build();
  await assert.rejects(late.start(), { message: /503/ });
  await Promise.all(clients.map((client) => client.stop()));
});
