import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { openTransaction } from '../../src/client/index.ts';
import { startServer } from '../fixtures/server.ts';
import { eachNetwork, overHttpAlone, overWebSockets } from './each-network.ts';
import { now } from './fast-time.ts';
import type { HostileProxy } from './hostile-proxy.ts';
import { becomes, handled, passes, reaches, Tab } from './tab.ts';
import { fire, listenerCount } from './window.ts';

const warnings = mock.method(console, 'warn', () => undefined);

function negotiations({ requests }: HostileProxy): string[] {
  return requests.filter((line) => line.startsWith('POST /hub/negotiate'));
}

eachNetwork('what the test calls a network is one', async ({ backEnd, open, up, network }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  await reaches(await tab.load(), up);
  const { connections } = await backEnd.transaction(opened.id);
  const transports = { WebSockets: ['WebSockets'], 'long polling': ['LongPolling'], 'HTTP alone': [] }[network];
  assert.deepEqual(
    connections.map(({ transport }) => transport),
    transports,
  );
});

eachNetwork('a page whose connection is cut goes on where it was', async ({ backEnd, open, up, proxy }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  await handled(backEnd, opened.id, { data: 1 });
  const states = new Set<string>();
  page.subscribe(() => states.add(page.state));
  for (let n = 2; n <= 4; n++) {
    const sent = handled(backEnd, opened.id, { data: n });
    proxy.cut();
    assert.equal((await sent).status, 'handled');
  }
  await reaches(page, up);
  assert.deepEqual(tab.calls, [1, 2, 3, 4]);
  assert.deepEqual(
    page.messages.map(({ data }) => data),
    [1, 2, 3, 4],
  );
  if (up === 'open') assert.ok(states.has('reconnecting'), [...states].join());
});

eachNetwork('a page waits for as long as the server is away, and then goes on', async ({ open, up, proxy }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  await reaches(page, up);
  const { target } = proxy;
  proxy.target = 'http://127.0.0.1:9';
  proxy.cut();
  await reaches(page, 'reconnecting');
  await passes(20_000);
  assert.equal(page.state, 'reconnecting');
  proxy.target = target;
  await reaches(page, up);
});

overWebSockets(
  'a page that opens while the server is away is connecting until it is there; the developer is told once',
  async ({ open, proxy }) => {
    const opened = await open();
    const { target } = proxy;
    proxy.target = 'http://127.0.0.1:9';
    warnings.mock.resetCalls();
    await using tab = new Tab(opened);
    const page = await tab.load();
    await passes(30_000);
    assert.equal(page.state, 'connecting');
    proxy.target = target;
    await reaches(page, 'open');
    const said = warnings.mock.calls.map(({ arguments: words }) => words.join(' '));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] ?? '', /http:\/\/127\.0\.0\.1:\d+\/hub.*--allowed-origin/u);
    assert.doesNotMatch(said[0] ?? '', /rbat_/u);
  },
);

overWebSockets(
  'pauses between tries grow, are never the same, and end when the network or the page comes back',
  async ({ open, proxy }) => {
    const opened = await open();
    await using tab = new Tab(opened);
    const page = await tab.load();
    await reaches(page, 'open');
    const { target } = proxy;
    proxy.target = 'http://127.0.0.1:9';
    proxy.cut();
    for (const type of ['online', 'visibilitychange'] as const) {
      await passes(40_000);
      const before = negotiations(proxy).length;
      const from = now();
      fire(type);
      await becomes('it is tried again', () => negotiations(proxy).length > before);
      assert.ok(now() - from < 3_000, `only after ${now() - from} ms`);
    }
    assert.ok(negotiations(proxy).length < 40, `${negotiations(proxy).length} tries in 80 s`);
    proxy.target = target;
    fire('online');
    const from = now();
    await reaches(page, 'open');
    assert.ok(now() - from < 20_000, `it took ${now() - from} ms`);
  },
);

overWebSockets(
  'a socket that died in silence while the page slept is found out when the page wakes',
  async ({ backEnd, open, proxy }) => {
    const opened = await open();
    await using tab = new Tab(opened);
    const page = await tab.load();
    await reaches(page, 'open');
    const states: string[] = [];
    page.subscribe(() => states.push(page.state));
    fire('visibilitychange');
    fire('pageshow');
    await handled(backEnd, opened.id);
    assert.deepEqual(states, ['open'], 'a socket that lives stays');
    proxy.freeze();
    fire('visibilitychange');
    await reaches(page, 'reconnecting');
    await reaches(page, 'open');
    await handled(backEnd, opened.id);
    assert.deepEqual(tab.calls, [1, 2]);
    await becomes('one connection is left', async () => (await backEnd.transaction(opened.id)).connections.length === 1);
  },
);

overWebSockets('where WebSockets begin and carry nothing, long polling is used in the end', async ({ backEnd, open, proxy }) => {
  proxy.swallowsWebSockets = true;
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  // Meanwhile nothing is late.
  assert.equal((await handled(backEnd, opened.id)).status, 'handled');
  await reaches(page, 'open');
  const { connections } = await backEnd.transaction(opened.id);
  assert.deepEqual(
    connections.map(({ transport }) => transport),
    ['LongPolling'],
  );
  assert.equal((await handled(backEnd, opened.id)).status, 'handled');
  assert.deepEqual(tab.calls, [1, 2]);
});

overHttpAlone(
  'a page that has to poll goes back to a connection when it can, and polls no more',
  async ({ backEnd, open, proxy }) => {
    const opened = await open();
    await using tab = new Tab(opened);
    const page = await tab.load();
    await reaches(page, 'polling');
    assert.equal((await handled(backEnd, opened.id)).status, 'handled');
    proxy.blocked = undefined;
    await reaches(page, 'open');
    const polls = (): number => proxy.requests.filter((line) => line.includes('/messages?')).length;
    await handled(backEnd, opened.id);
    const before = polls();
    await passes(15_000);
    assert.ok(polls() - before <= 1, `${polls() - before} polls`);
    assert.deepEqual(tab.calls, [1, 2]);
    proxy.blocked = /\/hub/;
    proxy.cut();
    await reaches(page, 'polling');
  },
);

overHttpAlone(
  'a failing handler in a page that changes between polling and a connection is called until it succeeds',
  async ({ backEnd, open, proxy }) => {
    const opened = await open();
    await using tab = new Tab(opened);
    const page = await tab.load(() => {
      if (tab.calls.length === 2) proxy.blocked = undefined;
      if (tab.calls.length === 2) fire('online');
      if (tab.calls.length === 4) proxy.blocked = /\/hub/;
      if (tab.calls.length === 4) proxy.cut();
      if (tab.calls.length < 6) throw new Error('not yet');
    });
    await reaches(page, 'polling');
    const sent = await backEnd.send(opened.id);
    await becomes('handled', async () => (await backEnd.receipt(opened.id, sent.id)).status === 'handled');
    assert.ok(tab.calls.length >= 6);
  },
);

eachNetwork('a token that is revoked ends it, and is never shown again', async ({ backEnd, open, up, proxy }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  await reaches(page, up);
  await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`);
  await reaches(page, 'revoked');
  await tab.leave();
  const before = proxy.requests.length;
  const again = await tab.load();
  await reaches(again, 'revoked');
  // What was on its way then arrives.
  await passes(20_000);
  const shown = proxy.requests.length - before;
  assert.ok(shown <= 6, `${shown} requests with a token that is refused`);
  fire('online');
  await passes(20_000);
  assert.equal(proxy.requests.length, before + shown);
});

test('a page of another origin keeps trying, slowly, and its developer is told once what to set', async () => {
  await using server = await startServer({ drainSeconds: 0 });
  const opened = await server.backEnd.open();
  const { fetch } = globalThis;
  let asked = 0;
  // What a browser does: it says where the page is from, and keeps the refusal to itself.
  const refuse = async (): Promise<never> => {
    asked++;
    throw new TypeError('Failed to fetch');
  };
  globalThis.fetch = refuse;
  warnings.mock.resetCalls();
  await using tab = new Tab(opened);
  const page = await tab.load();
  await passes(50_000);
  assert.equal(page.state, 'connecting');
  assert.equal(warnings.mock.callCount(), 1);
  assert.ok(asked > 4 && asked < 60, `asked ${asked} times`);
  globalThis.fetch = fetch;
  await reaches(page, 'open');
});

test('an answer of something else than the server is no answer', async () => {
  await using server = await startServer({ drainSeconds: 0 });
  const opened = await server.backEnd.open();
  const { fetch } = globalThis;
  globalThis.fetch = async () => new Response('<!doctype html><title>Sign in to the WiFi</title>');
  await using tab = new Tab(opened);
  const page = await tab.load();
  await passes(20_000);
  assert.equal(page.state, 'connecting');
  globalThis.fetch = fetch;
  await reaches(page, 'open');
});

test('a server that is drained and started again is found again, and nothing is lost', async () => {
  const first = await startServer({ drainSeconds: 1 });
  const { port } = new URL(first.url);
  const opened = await first.backEnd.open();
  const page = openTransaction(opened);
  await reaches(page, 'open');
  await first.drain();
  await reaches(page, 'reconnecting');
  // Its store was memory: what is there now does not know the token.
  await using _second = await startServer({ port: Number(port), drainSeconds: 0 });
  await reaches(page, 'revoked');
});

eachNetwork('closing leaves nothing behind, whenever it is done', async ({ open, proxy, backEnd }) => {
  const before = listenerCount();
  for (let delay = 0; delay < 12; delay++) {
    const opened = await open();
    const page = openTransaction(opened);
    await passes(delay * 25);
    await page.close();
    assert.equal(page.state, 'closed');
    await becomes('no connection is left', async () => (await backEnd.transaction(opened.id)).connections.length === 0);
  }
  assert.equal(listenerCount(), before);
  const requests = proxy.requests.length;
  await passes(20_000);
  assert.equal(proxy.requests.length, requests);
});

overWebSockets('a signal closes it; one that is aborted already lets nothing begin', async ({ open, proxy }) => {
  const opened = await open();
  const abort = new AbortController();
  const page = openTransaction(opened, { signal: abort.signal });
  await reaches(page, 'open');
  abort.abort();
  assert.equal(page.state, 'closed');
  const requests = proxy.requests.length;
  const late = openTransaction(opened, { signal: abort.signal });
  assert.equal(late.state, 'closed');
  await late.close();
  assert.equal(proxy.requests.length, requests);
});

test('what was not opened is refused at once', () => {
  for (const opened of [{}, { id: 'txn_x' }, { id: 'txn_x', accessToken: '', hubUrl: '/hub' }]) {
    // @ts-expect-error -- as a page without types may do
    assert.throws(() => openTransaction(opened), TypeError);
  }
});
