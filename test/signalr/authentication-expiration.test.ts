/** Credentials that end while their connection is open: closes, polls that put it off, and refreshes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Authentication, type EndpointOptions, type EndpointRequest, Hub } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { EventStream } from './event-stream.ts';
import { startHubServer } from './hub-server.ts';
import { negotiate, RawSocket, shake } from './raw-client.ts';

interface User {
  readonly name: string;
  readonly credential: string;
}

const GOOD_BYE = '{"type":7,"allowReconnect":true}';

/** `?access_token=ada-60`: Ada, for 60 s from the start of the test. */
function authenticate({ url, incoming }: EndpointRequest<User>, startedAt: number): Authentication<User> {
  const credential = incoming.headers.authorization?.replace(/^Bearer ?/, '') ?? url.searchParams.get('access_token') ?? '';
  const [name = '', seconds] = credential.split('-');
  if (name === '') return { status: 401 };
  return { principal: { name, credential }, ...(seconds !== undefined && { expiresAt: startedAt + Number(seconds) * 1_000 }) };
}

async function start(options: Partial<EndpointOptions<User>> = {}) {
  const clock = new ManualClock();
  const startedAt = clock.now();
  const kinds: string[] = [];
  const server = await startHubServer<User>({
    handler: new Hub<User>({ methods: { who: ({ connection }) => connection.principal.credential }, clock }),
    authenticate(request) {
      kinds.push(request.kind);
      return authenticate(request, startedAt);
    },
    isSameUser: (one, other) => one.name === other.name,
    closeOnAuthenticationExpiration: true,
    authenticationRefresh: true,
    clock,
    ...options,
  });
  const refresh = async (url: string, credential: string) => {
    const { search } = new URL(url);
    const headers = { authorization: `Bearer ${credential}` };
    const response = await fetch(`${server.url}/refresh${search}`, { method: 'POST', headers });
    return `${response.status} ${await response.text()}`.trim();
  };
  const open = async (credential: string, query = 'negotiateVersion=1') => {
    const headers = { authorization: `Bearer ${credential}` };
    const response = await fetch(`${server.url}/negotiate?${query}`, { method: 'POST', headers });
    const answer: Record<string, unknown> = JSON.parse(await response.text());
    const url = `${server.url}?id=${String(answer['connectionToken'] ?? answer['connectionId'])}`;
    return { url, answer, as: (shown: string) => `${url}&access_token=${shown}` };
  };
  return { clock, kinds, server, refresh, open, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('a WebSocket whose credential has ended gets a close that allows a reconnect', async () => {
  await using t = await start();
  const { as } = await t.open('ada-60');
  using socket = await RawSocket.join(as('ada-60'));
  using other = await RawSocket.join((await t.open('ada')).as('ada'));
  t.clock.advance(58_000);
  assert.equal(t.server.endpoint.connectionCount, 2);
  t.clock.advance(3_000);
  let message = '';
  while (message !== GOOD_BYE) assert.notEqual((message = await socket.next()), 'closed 1000');
  assert.equal(await socket.next(), 'closed 1000');
  await eventually('it is gone', async () => t.server.endpoint.connectionCount === 1);
  other.call('who');
  while (!message.includes('"result"')) message = await other.next();
  assert.equal(message, '{"type":3,"invocationId":"1","result":"ada"}');
});

test('a stream ends like that too', async () => {
  await using t = await start();
  const { url, as } = await t.open('ada-5');
  using stream = await EventStream.open(as('ada-5'));
  await stream.next();
  await fetch(url, { method: 'POST', body: shake, headers: { authorization: 'Bearer ada-5' } });
  await stream.next();
  t.clock.advance(6_000);
  assert.equal(await stream.next(), `data: ${GOOD_BYE}\u001e\r\n\r\n`);
  assert.equal(await stream.next(), 'ended');
});

test('by default what is open outlives its credential', async () => {
  await using t = await start({ closeOnAuthenticationExpiration: false });
  const { as } = await t.open('ada-5');
  using socket = await RawSocket.join(as('ada-5'));
  t.clock.advance(14_000);
  socket.call('who');
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1","result":"ada-5"}');
});

test('a poll with a newer credential puts the end off, one with an older changes nothing', async () => {
  await using t = await start();
  const { as } = await t.open('ada-10');
  await fetch(as('ada-10'));
  await fetch(as('ada-30'), { method: 'POST', body: shake });
  assert.equal(await (await fetch(as('ada-30'))).text(), '{}\u001e');
  const poll = fetch(as('ada-5'));
  await fetch(as('ada-30'), { method: 'POST', body: '{"type":1,"invocationId":"1","target":"who","arguments":[]}\u001e' });
  assert.equal(await (await poll).text(), '{"type":3,"invocationId":"1","result":"ada-30"}\u001e');
  const next = fetch(as('ada-30'));
  await fetch(`${t.server.url}?id=x`, { headers: { authorization: 'Bearer ada' } });
  t.clock.advance(12_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  t.clock.advance(20_000);
  assert.equal(await (await next).text(), `${GOOD_BYE}\u001e`);
  assert.equal((await fetch(as('ada-30'))).status, 204);
});

test('a refresh replaces the principal and puts the end off; an older credential does neither', async () => {
  await using t = await start();
  const { url, as, answer } = await t.open('ada-60');
  assert.equal(answer['tokenLifetimeSeconds'], 60);
  using socket = await RawSocket.join(as('ada-60'));
  t.clock.advance(10_000);
  assert.equal(await t.refresh(url, 'ada-120'), '200 {"tokenLifetimeSeconds":110}');
  assert.equal(await t.refresh(url, 'ada-90'), '200 {"tokenLifetimeSeconds":80}');
  assert.equal(t.kinds.at(-1), 'refresh');
  socket.call('who');
  assert.equal(await socket.next(), '{"type":3,"invocationId":"1","result":"ada-120"}');
  for (let second = 10; second < 115; second += 5) t.clock.advance(5_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
  assert.equal(await t.refresh(url, 'ada'), '200 {}');
  for (let second = 115; second < 300; second += 5) t.clock.advance(5_000);
  assert.equal(t.server.endpoint.connectionCount, 1);
});

test('a refresh that cannot be is answered by name', async () => {
  await using t = await start();
  const { url, as } = await t.open('ada-60');
  using _ = await RawSocket.join(as('ada-60'));
  assert.equal(await t.refresh(url, 'bob-60'), '403 {"error":"user_changed"}');
  assert.equal(await t.refresh(url, ''), '401');
  assert.equal(await t.refresh(`${t.server.url}?id=unknown`, 'ada'), '404 {"error":"connection_not_found"}');
  assert.equal(await t.refresh(t.server.url, 'ada'), '400 {"error":"missing_connection_token"}');
  const old = await t.open('ada-60', 'negotiateVersion=0');
  assert.equal(await t.refresh(old.url, 'ada'), '400 {"error":"unsupported_negotiate_version"}');
  assert.equal((await fetch(as('ada-60').replace('?', '/refresh?'))).status, 405);
  await using off = await startHubServer({
    handler: new Hub<undefined>({ methods: {} }),
    authenticate: () => ({ principal: undefined }),
  });
  const { url: other } = await negotiate(off.url);
  const response = await fetch(`${off.url}/refresh${new URL(other).search}`, { method: 'POST' });
  assert.deepEqual([response.status, await response.text()], [404, '{"error":"refresh_disabled"}']);
});
