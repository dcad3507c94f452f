/** What is limited by address: bad credentials and anonymous openings; and whose address it is. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { mock, test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import { ClientAddresses } from '../../src/server/client-address.ts';
import { Throttle } from '../../src/server/throttle.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { startServer, type ServerOptions, type TestServer } from '../fixtures/server.ts';
import { exchange, headerOf, type HeaderLine, member, type WireAnswer } from './wire-client.ts';

const JSON_TYPE: HeaderLine = ['Content-Type', 'application/json'];
const bearer = (secret: string): HeaderLine => ['Authorization', `Bearer ${secret}`];
const from = (...hops: readonly string[]): HeaderLine[] => hops.map((hop): HeaderLine => ['X-Forwarded-For', hop]);

const start = (options: ServerOptions = {}): Promise<TestServer> =>
  startServer({ limits: { failedCredentialsPerMinute: 3, anonymousOpensPerMinute: 2 }, ...options });

function look(server: TestServer, id: string, headers: readonly HeaderLine[]): Promise<WireAnswer> {
  return exchange(server.url, { method: 'GET', path: `/v1/transactions/${id}`, headers });
}

function openAnonymously(server: TestServer, headers: readonly HeaderLine[] = []): Promise<WireAnswer> {
  return exchange(server.url, {
    method: 'POST',
    path: '/v1/transactions',
    headers: [['Origin', server.url], JSON_TYPE, ...headers],
    body: '{}',
  });
}

function assertLimited(answer: WireAnswer): void {
  assert.equal(answer.status, 429);
  const seconds = headerOf(answer, 'retry-after') ?? '';
  assert.match(seconds, /^\d+$/);
  assert.ok(Number(seconds) >= 1 && Number(seconds) <= 60, seconds);
}

test('an address that shows too many bad credentials is told to wait, and a good one of the same address is not', async () => {
  await using server = await start();
  const { id, accessToken } = await server.backEnd.open();
  for (let round = 0; round < 3; round++) assert.equal((await look(server, id, [bearer(`bad${round}`)])).status, 401);
  const limited = await look(server, id, [bearer('bad')]);
  assertLimited(limited);
  assert.equal(member(limited.body, 'code'), 'rate_limited');
  assertLimited(
    await exchange(server.url, { method: 'POST', path: '/callbacks/rbcb_unknown', headers: [JSON_TYPE], body: '{}' }),
  );
  assertLimited(await exchange(server.url, { method: 'POST', path: '/hub/negotiate', headers: [bearer('bad')], body: '' }));
  for (let round = 0; round < 10; round++) {
    assert.equal((await look(server, id, [bearer(accessToken)])).status, 200);
    assert.equal((await look(server, id, [bearer(API_KEY)])).status, 200);
  }
  assert.equal(
    (await exchange(server.url, { method: 'POST', path: '/hub/negotiate', headers: [bearer(accessToken)], body: '' })).status,
    200,
  );
});

test('good credentials are never counted, however many there are', async () => {
  await using server = await start();
  const { id, accessToken } = await server.backEnd.open();
  for (let round = 0; round < 20; round++) assert.equal((await look(server, id, [bearer(accessToken)])).status, 200);
  for (let round = 0; round < 3; round++) assert.equal((await look(server, id, [bearer('bad')])).status, 401);
});

test('an address opens so many transactions a minute without a key, and with one as many as it likes', async () => {
  await using server = await start();
  for (let round = 0; round < 2; round++) assert.equal((await openAnonymously(server)).status, 201);
  assertLimited(await openAnonymously(server));
  for (let round = 0; round < 5; round++) await server.backEnd.open();
  assertLimited(await openAnonymously(server));
});

test('a header that anybody can write says nothing of the address', async () => {
  await using server = await start();
  for (let round = 0; round < 2; round++) assert.equal((await openAnonymously(server, from(`198.51.100.${round}`))).status, 201);
  assertLimited(await openAnonymously(server, from('198.51.100.9')));
});

test('behind a trusted proxy the right-most address that is not one of ours counts', async () => {
  await using server = await start({ trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
  const visitor = from('198.51.100.7');
  for (let round = 0; round < 2; round++) assert.equal((await openAnonymously(server, visitor)).status, 201);
  assertLimited(await openAnonymously(server, visitor));
  assertLimited(await openAnonymously(server, from('203.0.113.1, 198.51.100.7, 10.1.2.3')));
  assertLimited(await openAnonymously(server, from('203.0.113.2', '198.51.100.7')));
  assert.equal((await openAnonymously(server, from('198.51.100.8'))).status, 201);
});

test('a window begins with the first try and is over after a minute', async () => {
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_900_000_000_000 });
  try {
    const throttle = new Throttle(2);
    const isLimited = (error: unknown): boolean =>
      error instanceof RingbackError && error.code === 'rate_limited' && (error.retryAfterSeconds ?? 0) >= 1;
    await throttle.count('a');
    mock.timers.tick(59_000);
    await throttle.count('a');
    await assert.rejects(throttle.count('a'), isLimited);
    await throttle.count('b');
    mock.timers.tick(1_001);
    await throttle.count('a');
    await throttle.count('a');
    await assert.rejects(throttle.count('a'), (error) => error instanceof RingbackError && (error.retryAfterSeconds ?? 0) > 50);
  } finally {
    mock.timers.reset();
  }
});

/** A request as far as addresses go. */
function requestFrom(remoteAddress: string | undefined, forwarded?: string): IncomingMessage {
  const request: unknown = {
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  };
  return Object.create(Object(request));
}

test('addresses are counted as networks know them', () => {
  const trusting = new ClientAddresses(['10.0.0.0/8', 'fd00::/8']);
  const cases: readonly (readonly [remote: string | undefined, forwarded: string | undefined, counted: string])[] = [
    ['192.0.2.1', undefined, '192.0.2.1'],
    ['192.0.2.1', '198.51.100.1', '192.0.2.1'],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', 'nonsense', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, nonsense', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, 10.0.0.2', '198.51.100.1'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['::ffff:10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', undefined, '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', undefined, '2001:db8:1:3::/64'],
    ['fd00::1', '2001:db8:1:2::9', '2001:db8:1:2::/64'],
    [undefined, undefined, 'unknown'],
  ];
  for (const [remote, forwarded, counted] of cases) {
    assert.equal(trusting.of(requestFrom(remote, forwarded)), counted, `${remote} ${forwarded}`);
  }
});
