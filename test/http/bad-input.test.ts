/** What does not fit is refused with a clear 4xx that names it, and is not echoed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer, type TestServer } from '../fixtures/server.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { deliver, event, webhooks } from '../webhooks/delivery.ts';
import { member } from './wire-client.ts';

/** A value that no answer may hold. */
const CANARY = 'canary-b7e1';

interface BodyRoute {
  readonly name: string;
  readonly path: string;
  readonly bearer: string | undefined;
  /** A good body. */
  readonly good: Readonly<Record<string, unknown>>;
}

/** Every route that takes a body, ready to take one. */
async function bodyRoutes({ backEnd }: TestServer): Promise<BodyRoute[]> {
  const { id, accessToken, callbackUrl = '' } = await backEnd.open();
  await backEnd.send(id);
  const base = `/v1/transactions/${id}`;
  return [
    { name: 'open', path: '/v1/transactions', bearer: API_KEY, good: { ttlSeconds: 60, metadata: { a: 1 } } },
    { name: 'send', path: `${base}/messages`, bearer: API_KEY, good: { type: 'note', data: null } },
    { name: 'ack', path: `${base}/acks`, bearer: accessToken, good: { sequence: 1 } },
    { name: 'mint a token', path: `${base}/tokens`, bearer: API_KEY, good: {} },
    { name: 'mint a callback URL', path: `${base}/callbacks`, bearer: API_KEY, good: {} },
    { name: 'settle', path: `${base}/settle`, bearer: API_KEY, good: {} },
    { name: 'call back', path: new URL(callbackUrl).pathname, bearer: undefined, good: { any: 'thing' } },
  ];
}

function post(
  server: TestServer,
  { path, bearer }: BodyRoute,
  raw: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return request('POST', server.url + path, { raw, headers, ...(bearer !== undefined && { bearer }) });
}

function codeOf({ body }: Answer): unknown {
  return member(body, 'code');
}

/** The fields that a 422 names. */
function fieldsOf({ body }: Answer): string[] {
  const errors = member(body, 'errors');
  return Array.isArray(errors) ? errors.map((each) => String(member(each, 'field'))) : [];
}

function assertProblem(answer: Answer, status: number, code: string, what: string): void {
  assert.equal(answer.status, status, `${what}: ${answer.text}`);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', what);
  assert.equal(codeOf(answer), code, what);
  assert.equal(member(answer.body, 'status'), status, what);
  assert.equal(typeof member(answer.body, 'title'), 'string', what);
  assert.ok(!answer.text.includes(CANARY), `${what} echoes what it was sent: ${answer.text}`);
}

/** JSON, invalid in some way, with the code that it is refused by. */
const brokenBodies: readonly (readonly [name: string, raw: string | Uint8Array<ArrayBuffer>, status: number, code: string])[] = [
  ['broken JSON', `{"a":"${CANARY}"`, 400, 'invalid_json'],
  ['two values', `{}{"a":"${CANARY}"}`, 400, 'invalid_json'],
  ['single quotes', `{'a':'${CANARY}'}`, 400, 'invalid_json'],
  ['a trailing comma', `{"a":"${CANARY}",}`, 400, 'invalid_json'],
  ['NaN', '{"a":NaN}', 400, 'invalid_json'],
  ['white space only', '  \n ', 400, 'invalid_json'],
  ['a control character in a text', '{"a":"\u0001"}', 400, 'invalid_json'],
  [
    'a lone surrogate as UTF-8',
    Uint8Array.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d]),
    400,
    'invalid_json',
  ],
  ['an invalid byte', Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'invalid_json'],
  ['UTF-16', new Uint8Array(Buffer.from('\ufeff{"a":1}', 'utf16le')), 400, 'invalid_json'],
  ['null', 'null', 422, 'invalid_request'],
  ['a list', `["${CANARY}"]`, 422, 'invalid_request'],
  ['a text', `"${CANARY}"`, 422, 'invalid_request'],
  ['a number', '12', 422, 'invalid_request'],
  ['true', 'true', 422, 'invalid_request'],
  ['65 levels', `{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 422, 'json_too_deep'],
  ['a million levels', '['.repeat(1_000_000), 422, 'json_too_deep'],
];

test('a body that is no JSON object is refused on every route that takes one', async () => {
  await using server = await startServer();
  let looked = 0;
  for (const route of await bodyRoutes(server)) {
    for (const [name, raw, status, code] of brokenBodies) {
      const answer = await post(server, route, raw);
      assertProblem(answer, status, code, `${route.name}: ${name}`);
      looked++;
    }
  }
  assert.equal(looked, 7 * 17);
});

test('64 levels are taken, and a byte order mark does no harm', async () => {
  await using server = await startServer();
  const nested = '['.repeat(63) + ']'.repeat(63);
  const [open, send, , , , , callBack] = await bodyRoutes(server);
  assert.ok(open !== undefined && send !== undefined && callBack !== undefined);
  assert.equal((await post(server, open, `{"metadata":{"a":${nested.slice(1, -1)}}}`)).status, 201);
  assert.equal((await post(server, send, `{"type":"t","data":${nested}}`)).status, 202);
  assert.equal((await post(server, send, `\ufeff{"type":"t","data":${nested}}`)).status, 202);
  assert.equal((await post(server, callBack, `{"a":${nested}}`)).status, 202);
});

test('a body of another content type, or compressed, is refused on every route', async () => {
  await using server = await startServer();
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/problem+json',
    'application/jsonx',
    'text/json',
    'application/xml',
    'json',
    '/',
    'application/json/x',
  ];
  for (const route of await bodyRoutes(server)) {
    const raw = JSON.stringify(route.good);
    for (const type of types)
      assertProblem(
        await post(server, route, raw, { 'content-type': type }),
        415,
        'unsupported_media_type',
        `${route.name}: ${type}`,
      );
    for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'compress', 'identity, gzip', 'x']) {
      assertProblem(
        await post(server, route, raw, { 'content-encoding': encoding }),
        415,
        'unsupported_media_type',
        `${route.name}: ${encoding}`,
      );
    }
    if (route.name === 'settle') continue;
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'application/json;charset=UTF-8',
    ]) {
      const answer = await post(server, route, raw, { 'content-type': type, 'content-encoding': 'identity' });
      assert.ok(answer.status < 300, `${route.name}: ${type} is answered ${answer.status}`);
    }
  }
});

test('an unknown field is named, also one that is called like a member of every object', async () => {
  await using server = await startServer();
  const names = ['x', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'a/b~c', ''];
  for (const route of await bodyRoutes(server)) {
    if (route.name === 'call back') continue;
    for (const name of names) {
      const members = [
        ...Object.entries(route.good).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`),
        `${JSON.stringify(name)}:{"polluted":"${CANARY}"}`,
      ];
      const answer = await post(server, route, `{${members.join(',')}}`);
      assertProblem(answer, 422, 'invalid_request', `${route.name}: ${name}`);
      assert.deepEqual(fieldsOf(answer), [`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`], `${route.name}: ${name}`);
    }
  }
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

const long = (length: number): string => CANARY + 'a'.repeat(length - CANARY.length);

/** Values that a field does not take. */
const wrongValues: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  open: {
    ttlSeconds: [0, -1, 1.5, '60', CANARY, null, true, [], {}, 31_536_001, 1e300, -0.1, 2 ** 53],
    metadata: [null, [], CANARY, 1, true],
    reference: [
      '',
      long(201),
      null,
      1,
      [],
      {},
      `${CANARY}\u0000`,
      `${CANARY}\n`,
      `${CANARY}\u2028`,
      `${CANARY}\u200b`,
      `${CANARY}\ud800`,
    ],
  },
  send: {
    type: ['', long(101), `${CANARY} x`, `${CANARY}é`, null, 1, [], {}, `${CANARY}\n`, `${CANARY}{}`],
    id: ['', long(201), null, 1, [], {}, `${CANARY}\u007f`, `${CANARY}\u0085`],
  },
  ack: {
    sequence: [0, -1, 1.5, '1', CANARY, null, true, [], {}, 2 ** 53, 1e300],
    error: [null, 1, [], {}, true],
  },
};

test('a value of the wrong kind is refused, and its field named', async () => {
  await using server = await startServer();
  let looked = 0;
  for (const route of await bodyRoutes(server)) {
    for (const [field, values] of Object.entries(wrongValues[route.name] ?? {})) {
      for (const value of values) {
        const answer = await post(server, route, JSON.stringify({ ...route.good, [field]: value }));
        const what = `${route.name}: ${field} ${JSON.stringify(value).slice(0, 40)}`;
        assertProblem(answer, 422, 'invalid_request', what);
        assert.deepEqual([...new Set(fieldsOf(answer))], [`/${field}`], what);
        looked++;
      }
    }
  }
  assert.ok(looked >= 60, `only ${looked} values were looked at`);
});

test('all that is wrong is named at once, and what is missing too', async () => {
  await using server = await startServer();
  const [, send, ack] = await bodyRoutes(server);
  assert.ok(send !== undefined && ack !== undefined);
  assert.deepEqual(fieldsOf(await post(server, send, '{}')).toSorted(), ['/data', '/type']);
  assert.deepEqual(fieldsOf(await post(server, send, '{"type":1,"id":2,"data":3,"x":4,"y":5}')).toSorted(), [
    '/id',
    '/type',
    '/x',
    '/y',
  ]);
  assert.deepEqual(fieldsOf(await post(server, ack, '{}')), ['/sequence']);
  assert.deepEqual(fieldsOf(await post(server, ack, '{"sequence":1,"reply":1,"error":"e"}')), ['/error']);
  const many = await post(
    server,
    send,
    JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field${index}`, 1]))),
  );
  assert.equal(many.status, 422);
  assert.ok(many.text.length < 4_000, 'the sender does not choose the size of the answer');
});

test('bad, unknown and repeated query keys are refused, and named', async () => {
  await using server = await startServer();
  const { id, accessToken } = await server.backEnd.open();
  const base = `/v1/transactions/${id}`;
  const bad: readonly (readonly [string, string, string, ...string[]])[] = [
    ['GET', '/v1/transactions', '?reference'],
    ['GET', '/v1/transactions?reference=', '?reference'],
    ['GET', `/v1/transactions?reference=${long(201)}`, '?reference'],
    ['GET', '/v1/transactions?reference=%00', '?reference'],
    ['GET', '/v1/transactions?reference=a&reference=b', '?reference'],
    ['GET', '/v1/transactions?reference=a&limit=1', '?limit'],
    ...['0', '1001', '-1', '1.5', '', 'x', '1e2', '0x10', '+1', '%201', '99999999999999999999'].map(
      (value) => ['GET', `${base}/messages?limit=${value}`, '?limit'] as const,
    ),
    ...['-1', '1.5', '', 'x', '9007199254740993', 'acked', '٣'].map(
      (value) => ['GET', `${base}/messages?after=${encodeURIComponent(value)}`, '?after'] as const,
    ),
    ['GET', `${base}/messages?after=1&after=1`, '?after'],
    ['GET', `${base}/messages?after=0&limit=1&limit=1`, '?limit'],
    ['GET', `${base}/messages?after=x&limit=x&more=x`, '?after', '?limit', '?more'],
    ['GET', `${base}/messages?__proto__=${CANARY}`, '?__proto__'],
    ['GET', `${base}/messages?constructor=${CANARY}`, '?constructor'],
    ['GET', `${base}?x=${CANARY}`, '?x'],
    ['GET', `${base}?access_token=${CANARY}`, '?access_token'],
    ['POST', `${base}/tokens?x=1`, '?x'],
    ['POST', `${base}/callbacks?x=1`, '?x'],
    ['POST', `${base}/settle?x=1`, '?x'],
    ['POST', `${base}/messages?x=1`, '?x', '/data', '/type'],
    ['DELETE', `${base}?x=1`, '?x'],
    ['DELETE', `${base}/tokens/a?x=1`, '?x'],
    ['DELETE', `${base}/callbacks/a?x=1`, '?x'],
    ['GET', `${base}/messages/a?x=1`, '?x'],
    ['POST', '/v1/transactions?x=1', '?x'],
  ];
  for (const [method, path, ...fields] of bad) {
    const answer = await server.backEnd.call(method, path);
    assertProblem(answer, 422, 'invalid_request', `${method} ${path}`);
    const named = fieldsOf(answer);
    assert.ok(named.length > 0 && named.every((field) => fields.includes(field)), `${method} ${path} names ${named.join()}`);
  }
  assert.equal((await request('GET', `${server.url}${base}/messages?after=0&limit=1000`, { bearer: accessToken })).status, 200);
});

test('a reference that a webhook would take for an id is refused, saying why, whoever gives it', async () => {
  await using server = await startServer({ webhooks });
  for (const reference of ['txn_', 'txn_mine', 'txn_ 1']) {
    const byKey = await server.backEnd.call('POST', '/v1/transactions', { json: { reference } });
    const byPage = await request('POST', `${server.url}/v1/transactions`, { json: { reference }, origin: server.url });
    for (const answer of [byKey, byPage]) {
      assertProblem(answer, 422, 'invalid_request', reference);
      assert.deepEqual(fieldsOf(answer), ['/reference']);
      assert.match(answer.text, /txn_, by which webhooks know an id/);
    }
  }
  for (const reference of ['TXN_1', 'my txn_1', 'txn', 'txn-1']) {
    const { id } = await server.backEnd.open({ reference });
    assert.equal((await deliver(server.url, event(reference))).status, 200);
    assert.equal((await server.backEnd.transaction(id)).lastSequence, 1, reference);
  }
});

test('payloads come back as they were sent: big numbers, escapes, a key named __proto__', async () => {
  await using server = await startServer();
  const value =
    '{"z":12345678901234567890,"a":1E400,"n":-0.0,"\\u0041":"\\u00e9\\/","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  const opened = await server.backEnd.call('POST', '/v1/transactions', { raw: `{ "metadata" : ${value} }` });
  const id = String(member(opened.body, 'id'));
  const accessToken = String(member(opened.body, 'accessToken'));
  assert.ok((await server.backEnd.call('GET', `/v1/transactions/${id}`)).text.includes(`"metadata":${value}`));
  const sent = await server.backEnd.call('POST', `/v1/transactions/${id}/messages`, {
    raw: `{"type":"t",\n "data" : ${value} , "id":"m1"}`,
  });
  assert.equal(sent.status, 202);
  assert.ok((await server.backEnd.call('GET', `/v1/transactions/${id}/messages`)).text.includes(`"data":${value}`));
  const called = await request('POST', String(member(opened.body, 'callbackUrl')), { raw: ` ${value}` });
  assert.equal(called.status, 202);
  assert.ok(
    (await server.backEnd.call('GET', `/v1/transactions/${id}/messages?after=1`)).text.includes(
      `"type":"callback","data":${value}`,
    ),
  );
  const acked = await request('POST', `${server.url}/v1/transactions/${id}/acks`, {
    bearer: accessToken,
    raw: `{"sequence":1,"reply": ${value}}`,
  });
  assert.equal(acked.status, 204, acked.text);
  assert.ok((await server.backEnd.call('GET', `/v1/transactions/${id}/messages/m1`)).text.includes(`"reply":${value}`));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('ids and references of every printable character, as long as they may be, can be used and found', async () => {
  await using server = await startServer();
  for (const name of [
    'a',
    '😀'.repeat(200),
    "it's 100% & more? #1/2\\3",
    '{"a":1}',
    'ünïcødé ✓',
    '..%2F..',
    '+',
    'a'.repeat(200),
  ]) {
    const { id } = await server.backEnd.open({ reference: name });
    const found = await server.backEnd.call('GET', `/v1/transactions?reference=${encodeURIComponent(name)}`);
    assert.deepEqual([member(member(member(found.body, 'transactions'), '0'), 'id')], [id], name);
    const sent = await server.backEnd.send(id, { id: name });
    assert.equal(sent.id, name);
    assert.equal((await server.backEnd.receipt(id, encodeURIComponent(name))).id, name);
  }
});
