/** Who may use the demo: who sits at this machine, and who has an API key; no page of another site. And nobody without --demo. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { API_KEY } from '../fixtures/back-end.ts';
import { request } from '../fixtures/http-api.ts';
import { startServer, type ServerOptions } from '../fixtures/server.ts';
import { exchange, type HeaderLine, member } from '../http/wire-client.ts';
import { Visitor } from './visitor.ts';

const PUBLIC = 'https://demo.test';

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly good: number;
}

/** Each route of the demo, with something to be good for. */
async function routesOf(url: string, options: { bearer: string; origin: string }): Promise<Route[]> {
  const visitor = new Visitor(url, options);
  const order = await visitor.order();
  await visitor.open(order);
  const { id } = await new Visitor(url, { origin: options.origin }).openAnonymously();
  return [
    { method: 'POST', path: '/demo/orders', body: '{}', good: 201 },
    { method: 'GET', path: `/demo/orders/${order}`, good: 200 },
    { method: 'POST', path: `/demo/orders/${order}/transaction`, body: '{}', good: 201 },
    { method: 'POST', path: `/demo/orders/${order}/events`, body: '{"kind":"forged"}', good: 200 },
    { method: 'POST', path: `/demo/orders/${order}/settle`, body: '{}', good: 200 },
    { method: 'POST', path: '/test', body: JSON.stringify({ transaction: id }), good: 202 },
  ];
}

type Verdict = 'good' | 400 | 401 | 403;

interface Setting {
  readonly name: string;
  readonly options: ServerOptions;
  /** Of the server's own pages; undefined: where it listens. */
  readonly origin?: string;
  /** Lines that every request has. */
  readonly lines?: readonly HeaderLine[];
  readonly isLocal: boolean;
}

const settings: readonly Setting[] = [
  { name: 'on this machine', options: {}, isLocal: true },
  ...(process.platform === 'linux' ? [{ name: 'on another address of it', options: { host: '127.0.0.2' }, isLocal: true }] : []),
  { name: 'listening on every address', options: { host: '0.0.0.0' }, isLocal: false },
  { name: 'with a public URL', options: { publicUrl: PUBLIC }, origin: PUBLIC, isLocal: false },
  { name: 'under the name of another site', options: {}, lines: [['Host', 'rebound.test']], isLocal: false },
  { name: 'behind a proxy', options: {}, lines: [['X-Forwarded-For', '203.0.113.9']], isLocal: false },
];

/** What a proxy may add, and what a `Host` may be: as whole header lines. */
const fromElsewhere: readonly HeaderLine[] = [
  ...[
    'Forwarded',
    'Via',
    'X-Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Anything',
    'X-Real-IP',
    'X-Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Envoy-External-Address',
  ].map((name): HeaderLine => [name, '127.0.0.1']),
  ['X-Forwarded-For', ''],
  ...[
    'rebound.test',
    'user@127.0.0.1',
    'rebound.test:80@127.0.0.1',
    '@127.0.0.1',
    '127.0.0.1/path',
    '127.0.0.1?query',
    '127.0.0.1#fragment',
    '127.0.0.1\\path',
    '127.0.0.1:80:80',
    'local\thost',
    '127.0.0.1.rebound.test',
    '192.0.2.7',
    '',
  ].map((value): HeaderLine => ['Host', value]),
];
const fromHere: readonly HeaderLine[] = [
  ...['localhost', 'LOCALHOST:1', '127.0.0.1', '127.9.9.9:80', '[::1]', '[::1]:8080'].map((value): HeaderLine => ['Host', value]),
  ['X-Requested-With', 'x'],
];

test('a request is of this machine only under its names, and when no proxy says that it has passed it on', async () => {
  await using server = await startServer({ demo: true });
  const ask = (line: HeaderLine) =>
    exchange(server.url, {
      method: 'POST',
      path: '/demo/orders',
      headers: [line, ['Content-Type', 'application/json']],
      body: '{}',
    });
  for (const line of fromElsewhere) assert.equal((await ask(line)).status, 401, line.join(': '));
  for (const line of fromHere) assert.equal((await ask(line)).status, 201, line.join(': '));
});

for (const { name, options, origin: configured, lines = [], isLocal } of settings) {
  test(`${name}: ${isLocal ? 'no key is needed' : 'the API key is needed'}, and an Origin must be the server’s own`, async () => {
    const limits = { failedCredentialsPerMinute: 1_000_000 };
    await using server = await startServer({ demo: true, limits, ...options });
    const url = server.url.replace('0.0.0.0', '127.0.0.1');
    const own = configured ?? url;
    const { accessToken } = await server.backEnd.open();
    const bearers: readonly (readonly [string, readonly string[], Verdict])[] = [
      ['nothing', [], isLocal ? 'good' : 401],
      ['the API key', [API_KEY], 'good'],
      ['a wrong key', [API_KEY.slice(1)], 401],
      ['an access token', [accessToken], 401],
      ['two headers', [API_KEY, API_KEY], 400],
    ];
    const origins: readonly (readonly [readonly string[], boolean])[] = [
      [[], true],
      [[own], true],
      [['https://evil.test'], false],
      [['null'], false],
      [[''], false],
      [[`${own}.evil.test`], false],
    ];
    const routes = await routesOf(url, { bearer: API_KEY, origin: own });
    let looked = 0;
    for (const [shown, values, verdict] of bearers) {
      for (const [originLines, isOwn] of origins) {
        for (const route of routes) {
          const headers: HeaderLine[] = [
            ...lines,
            ...values.map((value): HeaderLine => ['Authorization', `Bearer ${value}`]),
            ...originLines.map((value): HeaderLine => ['Origin', value]),
            ...(route.body === undefined ? [] : [['Content-Type', 'application/json'] as const]),
          ];
          const { method, path, body, good } = route;
          const answer = await exchange(url, { method, path, headers, ...(body !== undefined && { body }) });
          const expected = verdict === 400 ? 400 : !isOwn ? 403 : verdict === 'good' ? good : verdict;
          assert.equal(answer.status, expected, `${shown}, ${originLines.join()} at ${method} ${path}: ${answer.text}`);
          assert.deepEqual(
            answer.headers.filter(([header]) => header.startsWith('access-control-')),
            [],
          );
          looked++;
        }
      }
    }
    assert.equal(looked, 5 * 6 * 6);
  });
}

test('a page of another site that asks first is told no', async () => {
  await using server = await startServer({ demo: true, allowedOrigins: ['https://shop.test'] });
  for (const path of ['/test', '/demo/orders']) {
    const { status, headers } = await request('OPTIONS', server.url + path, {
      origin: 'https://shop.test',
      headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    assert.equal(status, 405, path);
    assert.equal(headers.get('access-control-allow-origin'), null);
  }
});

test('without --demo nothing of it is there', async () => {
  await using demo = await startServer({ demo: true });
  await using plain = await startServer();
  const order = await new Visitor(demo.url).order();
  const { id } = await new Visitor(plain.url).openAnonymously();
  const asked: readonly (readonly [string, string, unknown?])[] = [
    ['GET', '/'],
    ['GET', '/provider'],
    ['GET', '/assets/index.js'],
    ['POST', '/demo/orders', {}],
    ['GET', `/demo/orders/${order}`],
    ['POST', `/demo/orders/${order}/transaction`, {}],
    ['POST', `/demo/orders/${order}/events`, { kind: 'success' }],
    ['POST', `/demo/orders/${order}/settle`, {}],
    ['POST', '/test', { transaction: id }],
    ['POST', '/webhooks/demo-provider', {}],
  ];
  for (const bearer of [undefined, API_KEY]) {
    for (const [method, path, json] of asked) {
      const answer = await request(method, plain.url + path, {
        json,
        origin: plain.url,
        ...(bearer !== undefined && { bearer }),
      });
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.equal(member(answer.body, 'code'), 'not_found', `${method} ${path}`);
    }
  }
});

test('a configured webhook source of the same name stops the start, named', async () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const source = { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference' };
  await assert.rejects(startServer({ demo: true, webhooks: { 'demo-provider': source } }), /demo-provider.*taken/);
});

test('the OpenAPI document has POST /test with --demo, and never the routes of its pages', async () => {
  await using server = await startServer({ demo: true });
  await using plain = await startServer();
  const paths = async (url: string): Promise<string[]> => {
    const { body } = await request('GET', `${url}/openapi.json`);
    assert.equal((await new Validator().validate({ ...Object(body) })).valid, true);
    return Object.keys(Object(member(body, 'paths')));
  };
  const public_ = await paths(plain.url);
  assert.ok(public_.length > 10 && !public_.includes('/test'));
  assert.deepEqual((await paths(server.url)).toSorted(), [...public_, '/test'].toSorted());
});
