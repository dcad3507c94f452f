/** docs/signalr.md: its hub and its page talk to each other, and its tests of the page run, as tests beside these. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { HubConnectionBuilder, LogLevel, Subject, type HubConnection } from '@microsoft/signalr';
import { allowAnybody, attach, type ConnectionHandler, Endpoint, Hub } from '../../src/signalr/index.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blocksOf, readPage } from './blocks.ts';
import { load, writeSources } from './typescript.ts';

const blocks = blocksOf('docs/signalr.md');
const folder = await temporaryFolder();
after(() => folder[Symbol.asyncDispose]());
writeSources(folder.path, Object.fromEntries(blocks.map(({ name, code }) => [name, code])));

/** Run here. */
const HERE = ['chat.ts', 'server.ts', 'page.ts', 'streams.ts', 'access.ts', 'chat.test.ts'];
/** Options at work, shown by the tests of what they do; test/docs/types.test.ts looks at these, too. */
const ELSEWHERE = ['hub.ts', 'endpoint.ts'];

test('every block of docs/signalr.md is run here, or known not to be', () => {
  assert.deepEqual(blocks.map(({ name }) => name).toSorted(), [...HERE, ...ELSEWHERE].toSorted());
});

/** The names that an error lists when one is unknown. */
function namesBy(construct: (options: object) => unknown, options: object): readonly string[] {
  try {
    construct({ ...options, unheardOf: true });
  } catch (error) {
    return /expected one of (.*)$/.exec(String(error))?.[1]?.split(', ') ?? [];
  }
  return [];
}

/** Of the rows of a table, by their first cell: their default. */
function defaultsIn(section: string): ReadonlyMap<string, string> {
  return new Map([...section.matchAll(/^\| `(\w+)` \| ([^|]*)\|/gmu)].map(([, name = '', value = '']) => [name, value.trim()]));
}

test('every option is in the tables of docs/signalr.md, and every number there is the default', () => {
  const [, ofHub = '', ofEndpoint = ''] =
    /\nOf a hub, (.*?)\nOf an endpoint:(.*?)\n## /su.exec(readPage('docs/signalr.md')) ?? [];
  for (const { section, names, source } of [
    {
      section: ofHub,
      names: namesBy((options) => Reflect.construct(Hub, [options]), { methods: {} }),
      source: 'src/signalr/hub/hub-options.ts',
    },
    {
      section: ofEndpoint,
      names: namesBy((options) => Reflect.construct(Endpoint, [options]), {
        handler: new Hub({ methods: {} }),
        authenticate: allowAnybody,
      }),
      source: 'src/signalr/transport/endpoint-options.ts',
    },
  ]) {
    const told = defaultsIn(section);
    assert.deepEqual([...told.keys()].toSorted(), names.toSorted());
    const defaults = [...readPage(source).matchAll(/^ {2}(\w+): ([\d_]+),$/gmu)].map(([, name = '', value = '']) => [
      name,
      Number(value.replaceAll('_', '')).toLocaleString('en'),
    ]);
    assert.deepEqual(Object.fromEntries([...told].filter(([, value]) => /^\d/u.test(value))), Object.fromEntries(defaults));
  }
});

async function serve<P>(endpoint: Endpoint<P>): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer();
  attach(server, '/hub', endpoint);
  server.listen(0, '127.0.0.1');
  return {
    url: `http://127.0.0.1:${await portOf(server)}/hub`,
    async [Symbol.asyncDispose]() {
      await endpoint[Symbol.asyncDispose]();
      server.close();
    },
  };
}

async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : assert.fail('it listens on no port');
}

async function connect(url: string, token?: string): Promise<HubConnection> {
  const options = token === undefined ? {} : { accessTokenFactory: () => token };
  const client = new HubConnectionBuilder().withUrl(url, options).configureLogging(LogLevel.None).build();
  await client.start();
  return client;
}

interface PageModule {
  enter(url: string, room: string, show: (line: string) => void): Promise<HubConnection>;
}

test('two pages of the first sample talk in a room', async (t) => {
  process.env['PORT'] = '0';
  t.after(() => delete process.env['PORT']);
  const { server } = await load<{ readonly server: Server }>(folder.path, 'server.ts');
  const { enter } = await load<PageModule>(folder.path, 'page.ts');
  const url = `http://127.0.0.1:${await portOf(server)}/chat`;
  const shown = Promise.withResolvers<string>();
  const ada = await enter(url, 'hall', shown.resolve);
  const bob = await enter(url, 'hall', () => undefined);
  assert.equal(await bob.invoke('say', 'hall', 'hello'), 1);
  assert.equal(await shown.promise, `${bob.connectionId}: hello`);
  await assert.rejects(bob.invoke('say', 'hall', 5), { message: /Failed to invoke 'say' due to an error on the server\.$/ });
  assert.equal(await (await fetch(url.replace('/chat', '/elsewhere'))).text(), 'The app itself.');
  await Promise.all([ada.stop(), bob.stop()]);
  server.closeAllConnections();
  server.close();
});

test('streams go both ways, and a client is asked before its file is gone', async () => {
  const { files } = await load<{ readonly files: ConnectionHandler<undefined> }>(folder.path, 'streams.ts');
  await using served = await serve(new Endpoint({ handler: files, authenticate: allowAnybody }));
  const client = await connect(served.url);
  const counted: unknown[] = [];
  await new Promise<void>((resolve, reject) =>
    client.stream('count', 3).subscribe({ next: (n) => counted.push(n), error: reject, complete: resolve }),
  );
  assert.deepEqual(counted, [0, 1, 2]);
  const numbers = new Subject<number>();
  const sum = client.invoke('sum', numbers);
  for (const n of counted) numbers.next(Number(n));
  numbers.complete();
  assert.equal(await sum, 3);
  client.on('confirm', (question: string) => question === 'Remove a?');
  assert.deepEqual([await client.invoke('remove', 'a'), await client.invoke('remove', 'b')], ['removed', 'kept']);
  await client.stop();
});

test('who may what is as the sample says', async () => {
  const users = new Map([
    ['1', { name: 'ada', isAdmin: true }],
    ['2', { name: 'bob', isAdmin: false }],
  ]);
  const { createOffice } = await load<{ createOffice(known: typeof users): Endpoint<unknown> }>(folder.path, 'access.ts');
  await using served = await serve(createOffice(users));
  await assert.rejects(connect(served.url), { message: /401/ });
  await assert.rejects(connect(served.url, '3'), { message: /401/ });
  const ada = await connect(served.url, '1');
  const bob = await connect(served.url, '2');
  const closing = new Promise<void>((resolve) => bob.on('closing', resolve));
  assert.equal(await bob.invoke('whoami'), 'bob');
  await assert.rejects(bob.invoke('shutDown'), { message: /because user is unauthorized$/ });
  await ada.invoke('shutDown');
  await closing;
  await Promise.all([ada.stop(), bob.stop()]);
});

// Its tests are tests of this file from here on.
await load<unknown>(folder.path, 'chat.test.ts');
