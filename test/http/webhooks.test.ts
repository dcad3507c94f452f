/** The route of the webhooks, to the byte: what is answered, to what, and what is not told. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { API_KEY } from '../fixtures/back-end.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Page } from '../fixtures/page.ts';
import { startServer, stores, temporaryFolder } from '../fixtures/server.ts';
import { deliver, event, headersFor, SECRET, webhooks } from '../webhooks/delivery.ts';
import { newSecret } from '../webhooks/provider.ts';
import {
  converse,
  exchange,
  exchangeBytes,
  fingerprint,
  headerOf,
  type HeaderLine,
  member,
  parsed,
  pour,
} from './wire-client.ts';

const CHUNKED: HeaderLine = ['Transfer-Encoding', 'chunked'];

function codeOf({ status, body }: { status: number; body: unknown }): unknown[] {
  return [status, member(body, 'code')];
}

/** The head of a request whose body is written by hand. */
function head(headers: Readonly<Record<string, string>>, ...more: HeaderLine[]): string {
  const lines = [...Object.entries(headers), ...more].map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /webhooks/acme HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.join('')}\r\n`;
}

/** Signs bytes that need be no text. */
function signedBytes(body: Uint8Array): Record<string, string> {
  const time = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const code = createHmac('sha256', key).update(`bytes.${time}.`).update(body).digest('base64');
  return { 'webhook-id': 'bytes', 'webhook-timestamp': time, 'webhook-signature': `v1,${code}` };
}

for (const store of stores) {
  test(`${store.name}: whatever became of a verified event, the provider is answered the same bytes`, async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    await using server = await startServer({ ...store.at(folder.path), clock, webhooks });
    const { backEnd, url } = server;
    const settled = await backEnd.open({ reference: 'settled' });
    await backEnd.settle(settled.id);
    const expired = await backEnd.open({ reference: 'expired', ttlSeconds: 1 });
    clock.advance(1_000);
    const open = await backEnd.open({ reference: 'open' });
    const bodies = {
      stored: event('open'),
      'stored by id': event(open.id),
      parked: event('later'),
      settled: event('settled'),
      'settled by id': event(settled.id),
      expired: event('expired'),
      'expired by id': event(expired.id),
      'no such id': event('txn_nobody'),
      'a number': event(7),
      nothing: {},
      'no object': [1],
    };
    const forms = new Set<string>();
    for (const [id, body] of Object.entries(bodies)) {
      for (const again of ['', 'a duplicate of ']) {
        const answer = await deliver(url, body, { id, at: clock.now() });
        assert.equal(answer.status, 200, `${again}${id}: ${answer.text}`);
        forms.add(fingerprint(answer));
      }
    }
    assert.equal(forms.size, 1, [...forms].join('\n---\n'));
    const [form = ''] = forms;
    assert.match(form, /^200\n[^]*content-type: application\/json\b[^\n]*\n[^]*\n\{\}$/);
    assert.equal((await backEnd.messages(open.id)).messages.length, 2);
    assert.equal((await backEnd.messages(settled.id)).messages.length, 0);
    const later = await backEnd.open({ reference: 'later' });
    assert.equal((await backEnd.messages(later.id)).messages.length, 1);
  });
}

test('an event reaches the attached page as it was sent, before the provider is answered or right after', async () => {
  await using server = await startServer({ webhooks });
  const opened = await server.backEnd.open({ reference: 'order-7' });
  await using page = await Page.open(opened);
  const data = '{"reference":"order-7","2":1,"1":9007199254740993,"text":"é\\u2028"}';
  assert.equal((await deliver(server.url, `{ "type" : "paid" , "data" : ${data} }`)).status, 200);
  const [message] = await page.untilMessages(1);
  assert.equal(message?.type, 'paid');
  assert.deepEqual(message?.data, JSON.parse(data));
  const read = await server.backEnd.call('GET', `/v1/transactions/${opened.id}/messages`);
  assert.ok(read.text.includes(`"data":${data}`), read.text);
});

test('every way of not being verified is answered with the same bytes, and leaves no trace', async () => {
  const clock = new ManualClock();
  await using server = await startServer({
    clock,
    webhooks: { ...webhooks, other: { ...webhooks.acme, secrets: [newSecret()] } },
  });
  const { id } = await server.backEnd.open({ reference: 'order-7' });
  const body = JSON.stringify(event('order-7'));
  const at = clock.now();
  const good = headersFor(body, { id: 'the event', at });
  const lines = (change: Record<string, string | undefined>): HeaderLine[] =>
    Object.entries({ ...good, ...change }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const signature = good['webhook-signature'];
  const requests: Record<string, readonly HeaderLine[]> = {
    'no header at all': [],
    'an API key instead': [['Authorization', `Bearer ${API_KEY}`]],
    'no id': lines({ 'webhook-id': undefined }),
    'no time': lines({ 'webhook-timestamp': undefined }),
    'no signature': lines({ 'webhook-signature': undefined }),
    'an empty id': lines({ 'webhook-id': '' }),
    'an empty signature': lines({ 'webhook-signature': '' }),
    'another id': lines({ 'webhook-id': 'another event' }),
    'another secret': Object.entries(headersFor(body, { id: 'the event', at, secret: newSecret() })),
    'another body': Object.entries(headersFor(`${body} `, { id: 'the event', at })),
    stale: Object.entries(headersFor(body, { id: 'the event', at: at - 301_000 })),
    'from the future': Object.entries(headersFor(body, { id: 'the event', at: at + 301_000 })),
    'a time that is none': lines({ 'webhook-timestamp': `${at / 1000}abc` }),
    'an unknown version': lines({ 'webhook-signature': signature.replace('v1,', 'v2,') }),
    'no version': lines({ 'webhook-signature': signature.slice(3) }),
    'the id twice': [...lines({}), ['webhook-id', 'the event']],
    'the time twice': [...lines({}), ['Webhook-Timestamp', String(at / 1000)]],
    'the signature twice': [...lines({}), ['WEBHOOK-SIGNATURE', signature]],
    'five thousand signatures': lines({ 'webhook-signature': `${'v1 '.repeat(4_900)}${signature}` }),
    'a signature of the other alphabet': lines({ 'webhook-signature': `v1,${'_'.repeat(43)}=` }),
    'the headers of Svix': Object.entries(good).map(([name, value]) => [name.replace('webhook', 'svix'), value] as const),
  };
  const forms = new Set<string>();
  for (const [what, headers] of Object.entries(requests)) {
    const answer = await exchange(server.url, { method: 'POST', path: '/webhooks/acme', headers, body });
    assert.deepEqual(codeOf(answer), [401, 'bad_signature'], what);
    forms.add(fingerprint(answer));
  }
  forms.add(fingerprint(await exchange(server.url, { method: 'POST', path: '/webhooks/acme', headers: lines({}) })));
  forms.add(fingerprint(await exchange(server.url, { method: 'POST', path: '/webhooks/other', headers: lines({}), body })));
  assert.equal(forms.size, 1, [...forms].join('\n---\n'));
  assert.doesNotMatch([...forms].join(''), /Bearer|detail/);
  assert.deepEqual((await server.backEnd.messages(id)).messages, []);
  const answer = await exchange(server.url, { method: 'POST', path: '/webhooks/acme', headers: lines({}), body });
  assert.equal(answer.status, 200, 'the same event, well signed, is new');
  assert.equal((await server.backEnd.messages(id)).messages.length, 1);
});

test('a signature is good for 300 s in both directions, by the clock of the server', async () => {
  const clock = new ManualClock();
  await using server = await startServer({ clock, webhooks });
  for (const [seconds, status] of [
    [300, 200],
    [301, 401],
    [-300, 200],
    [-301, 401],
  ] as const) {
    const answer = await deliver(server.url, event('order-7'), { at: clock.now() + seconds * 1000 });
    assert.equal(answer.status, status, `${seconds} s`);
  }
});

test('bad signatures are never limited by address, and count against nobody', async () => {
  await using server = await startServer({ webhooks, limits: { failedCredentialsPerMinute: 1 } });
  for (let time = 0; time < 50; time++)
    assert.equal((await deliver(server.url, event('order-7'), { secret: newSecret() })).status, 401);
  assert.equal((await deliver(server.url, event('order-7'))).status, 200);
  const wrong = await exchange(server.url, {
    method: 'GET',
    path: '/v1/transactions/x',
    headers: [['Authorization', 'Bearer x']],
  });
  assert.equal(wrong.status, 401);
});

test('what is signed is the bytes, whatever they are said to be and however they come', async () => {
  await using server = await startServer({ webhooks });
  const { id } = await server.backEnd.open({ reference: 'order-7' });
  const types = [
    'application/json',
    'text/plain;charset=UTF-8',
    'application/x-www-form-urlencoded',
    'application/cloudevents+json; charset="utf-8"',
    'nonsense',
    '/',
    '',
  ];
  for (const type of types)
    assert.equal((await deliver(server.url, event('order-7'), { headers: [['Content-Type', type]] })).status, 200, type);
  const twice: readonly HeaderLine[] = [
    ['Content-Type', 'text/plain'],
    ['Content-Type', 'application/json'],
  ];
  assert.equal((await deliver(server.url, event('order-7'), { headers: twice })).status, 200);
  assert.equal((await deliver(server.url, event('order-7'), { headers: [['Content-Encoding', 'identity']] })).status, 200);
  const body = '\r\n { "data" : { "reference" : "order-7" } }\t\n';
  const chunks = [...Buffer.from(body)].map((byte) => `1\r\n${String.fromCharCode(byte)}\r\n`).join('');
  const chunked = await exchangeBytes(server.url, `${head(headersFor(body), CHUNKED)}${chunks}0\r\n\r\n`);
  assert.equal(chunked.status, 200, chunked.text);
  assert.equal((await server.backEnd.messages(id)).lastSequence, types.length + 3);
  const answer = await fetch(`${server.url}/webhooks/acme`, { method: 'POST', headers: headersFor(body), body });
  assert.deepEqual([answer.status, await answer.text()], [200, '{}']);
});

test('verified, but no JSON, no UTF-8, too deep, or of an unusable id: told, and not taken', async () => {
  await using server = await startServer({ webhooks });
  const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  assert.deepEqual(codeOf(await deliver(server.url, '')), [400, 'invalid_json']);
  assert.deepEqual(codeOf(await deliver(server.url, 'id=tr_7')), [400, 'invalid_json']);
  assert.deepEqual(codeOf(await deliver(server.url, '{"data":')), [400, 'invalid_json']);
  assert.equal((await deliver(server.url, deep(64))).status, 200);
  assert.deepEqual(codeOf(await deliver(server.url, deep(65))), [422, 'json_too_deep']);
  assert.deepEqual(codeOf(await deliver(server.url, '['.repeat(900_000))), [422, 'json_too_deep']);
  const bytes = Buffer.from('{"data":{"reference":"order-\xff"}}', 'latin1');
  const headers = Object.entries(signedBytes(bytes));
  const broken = await exchange(server.url, { method: 'POST', path: '/webhooks/acme', headers, body: bytes });
  assert.deepEqual(codeOf(broken), [400, 'invalid_json']);
  const unusable = await deliver(server.url, event('order-7'), { id: 'i'.repeat(201) });
  assert.deepEqual(codeOf(unusable), [422, 'invalid_request']);
  assert.match(unusable.text, /"field":"webhook-id"/);
  assert.equal((await deliver(server.url, event('order-7'), { id: 'i'.repeat(200) })).status, 200);
  const { id } = await server.backEnd.open({ reference: 'order-7' });
  assert.equal((await server.backEnd.messages(id)).lastSequence, 1);
});

test('a body may have webhookBodyBytes, counted while it is read, and its data messageBytes', async () => {
  await using server = await startServer({ webhooks, limits: { webhookBodyBytes: 1_000, messageBytes: 500 } });
  const padded = (bytes: number): string => JSON.stringify(event('order-7')).padEnd(bytes, ' ');
  const withData = (bytes: number): string =>
    `{"data":${JSON.stringify({ reference: 'order-7', a: '' }).replace('""', `"${'a'.repeat(bytes - 30)}"`)}}`;
  assert.equal((await deliver(server.url, padded(1_000))).status, 200);
  assert.deepEqual(codeOf(await deliver(server.url, padded(1_001))), [413, 'body_too_large']);
  assert.equal((await deliver(server.url, withData(500))).status, 200);
  assert.deepEqual(codeOf(await deliver(server.url, withData(501))), [413, 'data_too_large']);
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  for (const [bytes, status] of [
    [1_000, 200],
    [1_001, 413],
  ] as const) {
    const body = padded(bytes);
    const chunks = chunk(body.slice(0, 400)) + chunk(body.slice(400));
    const answer = await exchangeBytes(server.url, `${head(headersFor(body), CHUNKED)}${chunks}0\r\n\r\n`);
    assert.equal(answer.status, status, answer.text);
  }
});

test('a body without an end is cut off at the limit', async () => {
  await using server = await startServer({ webhooks });
  const { text, written } = await pour(server.url, head(headersFor(''), CHUNKED));
  // Whoever is still writing when the connection goes may miss what was said before.
  if (text !== '') assert.equal(member(parsed(text).body, 'code'), 'body_too_large');
  assert.ok(written > 1_048_576);
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes were written before the connection went`);
});

test('a body without an end that nobody wants is cut off, and its sender sees why it is not wanted', async () => {
  await using server = await startServer({ webhooks });
  for (const [line, status] of [
    ['POST /webhooks/nobody', 404],
    ['PUT /webhooks/acme', 405],
    ['POST /v1/transactions/txn_x/messages', 401],
    ['GET /health/live', 200],
    ['POST /webhooks/%zz', 400],
  ] as const) {
    const pouring = `${line} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const { text, written } = await pour(server.url, pouring);
    assert.equal(parsed(text).status, status, line);
    assert.ok(written < 64 * 1024 * 1024, `${line}: ${written} bytes were written before the connection went`);
  }
});

test('a body that nobody wants, but that ends, leaves the connection to the next request', async () => {
  await using server = await startServer({ webhooks });
  const answers = await converse(server.url, (socket) => {
    socket.write('POST /webhooks/nobody HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    // The rest when it is known what became of it.
    socket.once('data', () => {
      socket.write(`100000\r\n${' '.repeat(0x100000)}\r\n0\r\n\r\n`);
      socket.write('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    });
  });
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('a compressed body is refused unread, and ambiguous framing as malformed', async () => {
  await using server = await startServer({ webhooks });
  for (const encoding of ['gzip', 'br', 'identity, gzip', 'x', 'deflate'])
    assert.deepEqual(codeOf(await deliver(server.url, event('a'), { headers: [['Content-Encoding', encoding]] })), [
      415,
      'unsupported_media_type',
    ]);
  const body = JSON.stringify(event('a'));
  const both = `${head(headersFor(body), CHUNKED, ['Content-Length', String(body.length)])}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  assert.deepEqual(codeOf(await exchangeBytes(server.url, both)), [400, 'malformed_request']);
});

test('a source that is not configured is answered like any path that leads nowhere', async () => {
  await using server = await startServer({ webhooks });
  const nowhere = await exchange(server.url, {
    method: 'POST',
    path: '/nowhere',
    headers: Object.entries(headersFor('{}')),
    body: '{}',
  });
  assert.deepEqual(codeOf(nowhere), [404, 'not_found']);
  for (const source of [
    'nobody',
    'ACME',
    'acme/',
    'acme%00',
    'a'.repeat(2_000),
    'a'.repeat(3_000),
    'a'.repeat(15_000),
    '__proto__',
    'toString',
    '%61cmf',
    'acme/x',
    '',
  ]) {
    const answer = await deliver(server.url, '{}', { source });
    assert.equal(fingerprint(answer), fingerprint(nowhere), source.slice(0, 20));
  }
  assert.equal((await deliver(server.url, '{}', { source: '%61cme' })).status, 200, 'the same name, escaped');
});

test('other methods are told which one there is, and pages of no origin get a say', async () => {
  await using server = await startServer({ webhooks });
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const answer = await exchange(server.url, { method, path: '/webhooks/acme', headers: [['Origin', server.url]] });
    assert.deepEqual([...codeOf(answer), headerOf(answer, 'allow')], [405, 'method_not_allowed', 'POST'], method);
  }
  const preflight: readonly HeaderLine[] = [
    ['Origin', server.url],
    ['Access-Control-Request-Method', 'POST'],
  ];
  const answers = [
    await exchange(server.url, { method: 'OPTIONS', path: '/webhooks/acme', headers: preflight }),
    await deliver(server.url, '{}', { headers: [['Origin', server.url]] }),
    await deliver(server.url, '{}', { headers: [['Origin', server.url]], secret: newSecret() }),
    await deliver(server.url, '{}', { headers: [['Origin', 'https://elsewhere.test']] }),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [405, 200, 401, 200],
  );
  for (const { headers } of answers)
    assert.deepEqual(
      headers.filter(([name]) => name.startsWith('access-control-')),
      [],
    );
});

for (const store of stores) {
  test(`${store.name}: what cannot be kept is not answered like success, and is new when it can`, async () => {
    await using folder = await temporaryFolder();
    const limits = { messagesPerTransaction: 1, parkedMessages: 1 };
    await using server = await startServer({ ...store.at(folder.path), webhooks, limits });
    const { url, backEnd } = server;
    const { id } = await backEnd.open({ reference: 'order-7' });
    assert.equal((await deliver(url, event('order-7'), { id: 'a' })).status, 200);
    assert.deepEqual(codeOf(await deliver(url, event('order-7'), { id: 'b' })), [409, 'mailbox_full']);
    assert.deepEqual(codeOf(await deliver(url, event(id), { id: 'b' })), [409, 'mailbox_full']);
    assert.equal((await deliver(url, event('order-7'), { id: 'a' })).status, 200, 'a repeat of what is kept');
    assert.equal((await deliver(url, event('one'), { id: 'c' })).status, 200);
    const full = await deliver(url, event('two'), { id: 'd' });
    assert.deepEqual([...codeOf(full), headerOf(full, 'retry-after')], [503, 'too_many_parked', '60']);
    await backEnd.open({ reference: 'one' });
    assert.equal((await deliver(url, event('two'), { id: 'd' })).status, 200);
    assert.equal((await backEnd.messages((await backEnd.open({ reference: 'two' })).id)).lastSequence, 1);
  });
}
