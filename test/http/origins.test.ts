import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { API_KEY } from '../fixtures/back-end.ts';
import { startServer, type TestServer } from '../fixtures/server.ts';
import { Hub } from './hub-requests.ts';
import { exchange, headerOf, type HeaderLine, member, type WireAnswer } from './wire-client.ts';

const SHOP = 'https://shop.test';

/** Origin header lines, and whether a page of such an origin is one of ours. */
const origins: readonly (readonly [name: string, lines: readonly string[], verdict: 'listed' | 'other'])[] = [
  ['exact', [SHOP], 'listed'],
  ['another listed one', ['http://localhost:3000'], 'listed'],
  ['another port', ['https://shop.test:8443'], 'other'],
  ['the default port in words', ['https://shop.test:443'], 'other'],
  ['http for https', ['http://shop.test'], 'other'],
  ['a suffix', ['https://shop.test.evil.test'], 'other'],
  ['a prefix', ['https://evilshop.test'], 'other'],
  ['a subdomain', ['https://www.shop.test'], 'other'],
  ['null', ['null'], 'other'],
  ['empty', [''], 'other'],
  ['upper case', ['HTTPS://SHOP.TEST'], 'other'],
  ['a trailing dot', ['https://shop.test.'], 'other'],
  ['a trailing slash', ['https://shop.test/'], 'other'],
  ['with a user', ['https://shop.test@evil.test'], 'other'],
  ['a list in one line', [`${SHOP}, ${SHOP}`], 'other'],
  ['a star', ['*'], 'other'],
  ['two equal ones', [SHOP, SHOP], 'other'],
  ['a good and a bad one', [SHOP, 'https://evil.test'], 'other'],
];
const absent = ['absent', [], 'other'] as const;

const start = (): Promise<TestServer> => startServer({ allowedOrigins: [SHOP, 'http://localhost:3000'] });
const bearer = (secret: string): HeaderLine => ['Authorization', `Bearer ${secret}`];
const JSON_TYPE: HeaderLine = ['Content-Type', 'application/json'];
const linesOf = (values: readonly string[]): HeaderLine[] => values.map((value): HeaderLine => ['Origin', value]);

function corsHeaders({ headers }: WireAnswer): HeaderLine[] {
  return headers.filter(([name]) => name.startsWith('access-control-'));
}

/** Listed: the origin is echoed, with credentials. Anything else: no CORS header at all. And caches are told. */
function assertCors(answer: WireAnswer, origin: string | undefined, what: string): void {
  assert.match(headerOf(answer, 'vary') ?? '', /\borigin\b/i, `${what}: Vary`);
  if (origin === undefined) return assert.deepEqual(corsHeaders(answer), [], what);
  assert.equal(headerOf(answer, 'access-control-allow-origin'), origin, what);
  assert.equal(headerOf(answer, 'access-control-allow-credentials'), 'true', what);
}

interface PageRoute {
  readonly name: string;
  readonly good: number;
  /** What it answers without an Origin. */
  readonly absent: number;
  ask(origin: readonly HeaderLine[]): Promise<WireAnswer>;
}

/** Every request that a page can make, with the credential that it then has. */
async function pageRoutes(server: TestServer): Promise<PageRoute[]> {
  const { id, accessToken } = await server.backEnd.open();
  await server.backEnd.send(id);
  const hub = new Hub(server.url);
  const own = bearer(accessToken);
  const api = (method: string, path: string, body?: string) => (origin: readonly HeaderLine[]) =>
    exchange(server.url, {
      method,
      path,
      headers: [own, ...origin, ...(body === undefined ? [] : [JSON_TYPE])],
      ...(body !== undefined && { body }),
    });
  return [
    { name: 'look', good: 200, absent: 200, ask: api('GET', `/v1/transactions/${id}`) },
    { name: 'read', good: 200, absent: 200, ask: api('GET', `/v1/transactions/${id}/messages`) },
    { name: 'ack', good: 204, absent: 204, ask: api('POST', `/v1/transactions/${id}/acks`, '{"sequence":1}') },
    {
      name: 'anonymous open',
      good: 201,
      absent: 403,
      ask: (origin) =>
        exchange(server.url, { method: 'POST', path: '/v1/transactions', headers: [JSON_TYPE, ...origin], body: '{}' }),
    },
    {
      name: 'negotiate',
      good: 200,
      absent: 200,
      ask: (origin) => hub.request('POST', '/hub/negotiate?negotiateVersion=1', [own, ...origin], ''),
    },
    { name: 'upgrade', good: 101, absent: 101, ask: (origin) => hub.upgrade('', [own, ...origin]) },
    {
      name: 'upgrade with a ticket in the URL',
      good: 101,
      absent: 403,
      ask: async (origin) => hub.upgrade(`?access_token=${(await hub.negotiate(accessToken)).ticket}`, origin),
    },
    {
      name: 'poll',
      good: 200,
      absent: 200,
      ask: async (origin) =>
        hub.request('GET', `/hub?id=${(await hub.negotiate(accessToken)).connectionToken}`, [own, ...origin]),
    },
  ];
}

test('pages of listed origins are let in and told so, all others are refused, on every request that a page can make', async () => {
  await using server = await start();
  let cells = 0;
  for (const [name, values, verdict] of [...origins, absent]) {
    for (const route of await pageRoutes(server)) {
      const answer = await route.ask(linesOf(values));
      const expected = values.length === 0 ? route.absent : { listed: route.good, other: 403 }[verdict];
      assert.equal(answer.status, expected, `${route.name} with the origin ${name}: ${answer.text}`);
      assertCors(answer, verdict === 'listed' ? values[0] : undefined, `${route.name} with the origin ${name}`);
      cells++;
    }
  }
  assert.equal(cells, 19 * 8);
});

test('refusals and faults too can be read by pages of listed origins', async () => {
  await using server = await start();
  const { id, accessToken } = await server.backEnd.open();
  const own = bearer(accessToken);
  const ask = (method: string, path: string, headers: readonly HeaderLine[], body?: string) =>
    exchange(server.url, {
      method,
      path,
      headers: [['Origin', SHOP], JSON_TYPE, ...headers],
      ...(body !== undefined && { body }),
    });
  const faults: readonly (readonly [number, WireAnswer])[] = [
    [401, await ask('GET', `/v1/transactions/${id}`, [bearer('bad')])],
    [401, await ask('GET', `/v1/transactions/${id}`, [])],
    [422, await ask('GET', `/v1/transactions/${id}/messages?limit=0`, [own])],
    [422, await ask('POST', `/v1/transactions/${id}/acks`, [own], '{"sequence":9}')],
    [400, await ask('POST', `/v1/transactions/${id}/acks`, [own], '{')],
    [422, await ask('POST', '/v1/transactions', [], '{"ttlSeconds":0}')],
    [401, await ask('POST', '/hub/negotiate', [bearer('bad')], '')],
  ];
  for (const [status, answer] of faults) {
    assert.equal(answer.status, status, answer.text);
    assertCors(answer, SHOP, String(status));
  }
});

test('an API key gets no CORS headers, whatever its origin and however it is answered', async () => {
  await using server = await start();
  const { id } = await server.backEnd.open();
  const asked: readonly (readonly [string, string, number, string?])[] = [
    ['POST', '/v1/transactions', 201, '{}'],
    ['POST', '/v1/transactions', 422, '{"ttlSeconds":0}'],
    ['POST', '/v1/transactions', 400, '{'],
    ['GET', `/v1/transactions/${id}`, 200],
    ['GET', '/v1/transactions/txn_nobody', 404],
    ['GET', `/v1/transactions/${id}/messages`, 200],
    ['GET', `/v1/transactions/${id}/messages?limit=x`, 422],
    ['POST', `/v1/transactions/${id}/acks`, 403, '{"sequence":1}'],
    ['POST', `/v1/transactions/${id}/messages`, 202, '{"type":"t","data":1}'],
    ['GET', '/v1/transactions?reference=r', 200],
    ['POST', `/v1/transactions/${id}/tokens`, 201],
    ['POST', `/v1/transactions/${id}/callbacks`, 201],
    ['POST', `/v1/transactions/${id}/settle`, 200],
    ['DELETE', `/v1/transactions/${id}`, 204],
  ];
  for (const origin of [SHOP, 'https://evil.test', 'null']) {
    for (const [method, path, status, body] of asked.slice(0, origin === SHOP ? undefined : 10)) {
      if (origin !== SHOP && path.includes(id)) continue;
      const headers: HeaderLine[] = [['Origin', origin], bearer(API_KEY), ...(body === undefined ? [] : [JSON_TYPE])];
      const answer = await exchange(server.url, { method, path, headers, ...(body !== undefined && { body }) });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assertCors(answer, undefined, `${method} ${path} from ${origin}`);
    }
  }
});

test('routes that are not for pages send no CORS headers to anybody', async () => {
  await using server = await start();
  const { id, accessToken, callbackUrl = '' } = await server.backEnd.open();
  const paths: readonly (readonly [string, string, number])[] = [
    ['POST', `/v1/transactions/${id}/messages`, 403],
    ['POST', `/v1/transactions/${id}/tokens`, 403],
    ['DELETE', `/v1/transactions/${id}`, 403],
    ['POST', new URL(callbackUrl).pathname, 202],
    ['GET', '/health/live', 200],
    ['GET', '/openapi.json', 200],
    ['GET', '/nowhere', 404],
  ];
  for (const [method, path, status] of paths) {
    const body = method === 'POST' ? { body: '{}' } : {};
    const answer = await exchange(server.url, {
      method,
      path,
      headers: [['Origin', SHOP], bearer(accessToken), JSON_TYPE],
      ...body,
    });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assert.deepEqual(corsHeaders(answer), [], path);
  }
});

function preflight(url: string, path: string, origin: string, method: string): Promise<WireAnswer> {
  const headers: HeaderLine[] = [
    ['Origin', origin],
    ['Access-Control-Request-Method', method],
    ['Access-Control-Request-Headers', 'authorization,content-type'],
    ['Access-Control-Request-Private-Network', 'true'],
  ];
  return exchange(url, { method: 'OPTIONS', path, headers });
}

test('a preflight is granted to listed origins for what pages may do, and to nobody for anything else', async () => {
  await using server = await start();
  const { id } = await server.backEnd.open();
  const granted = [
    ['/v1/transactions', 'POST'],
    [`/v1/transactions/${id}`, 'GET'],
    [`/v1/transactions/${id}/messages`, 'GET'],
    [`/v1/transactions/${id}/acks`, 'POST'],
    ['/hub/negotiate', 'POST'],
    ['/hub', 'GET'],
    ['/hub', 'POST'],
    ['/hub', 'DELETE'],
  ] as const;
  for (const [path, method] of granted) {
    const answer = await preflight(server.url, path, SHOP, method);
    assert.equal(answer.status, 204, `${method} ${path}: ${answer.text}`);
    assertCors(answer, SHOP, path);
    assert.ok((headerOf(answer, 'access-control-allow-methods') ?? '').split(', ').includes(method), path);
    const allowed = (headerOf(answer, 'access-control-allow-headers') ?? '').split(/, */);
    assert.ok(allowed.includes('authorization') && allowed.includes('content-type'), path);
    assert.equal(headerOf(answer, 'access-control-allow-private-network'), undefined);
    assert.ok(Number(headerOf(answer, 'access-control-max-age') ?? 0) <= 600);
    for (const [name, values, verdict] of origins.filter(([, lines, each]) => each === 'other' && lines.length === 1)) {
      const refused = await preflight(server.url, path, values[0] ?? '', method);
      assertCors(refused, undefined, `${path} from ${name}, which is ${verdict}`);
    }
  }
  const ungranted = [
    ['/v1/transactions', 'GET'],
    [`/v1/transactions/${id}`, 'DELETE'],
    [`/v1/transactions/${id}/messages`, 'POST'],
    [`/v1/transactions/${id}/settle`, 'POST'],
    [`/v1/transactions/${id}/tokens`, 'POST'],
    ['/callbacks/x', 'POST'],
    ['/openapi.json', 'GET'],
  ] as const;
  for (const [path, method] of ungranted) {
    const answer = await preflight(server.url, path, SHOP, method);
    assert.ok([403, 405].includes(answer.status), `${method} ${path} answered ${answer.status}`);
    assert.deepEqual(corsHeaders(answer), [], path);
  }
});

test('without a list, the listen address is the one origin, under each of its names', async () => {
  await using server = await startServer();
  const { port } = new URL(server.url);
  const verdicts = {
    [`http://127.0.0.1:${port}`]: 201,
    [`http://localhost:${port}`]: 201,
    [`https://localhost:${port}`]: 403,
    'http://localhost': 403,
    [`http://[::1]:${port}`]: 201,
    [`http://127.0.0.2:${port}`]: 403,
    [`http://[::1]:${Number(port) - 1}`]: 403,
    [`http://[::2]:${port}`]: 403,
    [`http://0.0.0.0:${port}`]: 403,
  };
  for (const [origin, status] of Object.entries(verdicts)) {
    const answer = await exchange(server.url, { method: 'POST', path: '/v1/transactions', headers: [['Origin', origin]] });
    assert.equal(answer.status, status, origin);
    if (status === 403) assert.equal(member(answer.body, 'code'), 'origin_not_allowed');
  }
});

/** Every address of this machine; one with a zone can be in no URL. */
function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address));
  return [...all.filter((address) => !address.startsWith('fe80:')), ...(process.platform === 'linux' ? ['127.0.0.2'] : [])];
}

test('wherever the server listens, the page of the URL that it prints may open and connect', async () => {
  const hosts = ownAddresses();
  assert.ok(hosts.includes('127.0.0.1'));
  for (const host of hosts) {
    await using server = await startServer({ host });
    const opened = await exchange(server.url, { method: 'POST', path: '/v1/transactions', headers: [['Origin', server.url]] });
    assert.equal(opened.status, 201, host);
    assert.equal(member(opened.body, 'hubUrl'), `${server.url}/hub`);
    const hub = await exchange(server.url, {
      method: 'POST',
      path: '/hub/negotiate?negotiateVersion=1',
      headers: [
        ['Origin', server.url],
        ['Authorization', `Bearer ${String(member(opened.body, 'accessToken'))}`],
      ],
    });
    assert.equal(hub.status, 200, host);
  }
});

test('with a public URL its origin is the one that is listed, and its address is what is handed out', async () => {
  await using server = await startServer({ publicUrl: 'https://events.shop.test/base/' });
  const open = (origin: string) =>
    exchange(server.url, {
      method: 'POST',
      path: '/v1/transactions',
      headers: [
        ['Origin', origin],
        ['Host', 'evil.test'],
        ['X-Forwarded-Host', 'evil.test'],
      ],
    });
  const answer = await open('https://events.shop.test');
  assert.equal(answer.status, 201);
  assert.equal(member(answer.body, 'hubUrl'), 'https://events.shop.test/base/hub');
  assert.equal((await open(server.url)).status, 403);
});
