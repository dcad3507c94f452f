/** Requests as bytes: what no client sends, what proxies read differently, and what never ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { API_KEY } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startServer } from '../fixtures/server.ts';
import { exchange, exchangeBytes, headerOf, type HeaderLine, member, parsed, pour } from './wire-client.ts';

const key: HeaderLine = ['Authorization', `Bearer ${API_KEY}`];
const JSON_TYPE: HeaderLine = ['Content-Type', 'application/json'];

function head(lines: readonly string[]): string {
  return `${['POST /v1/transactions HTTP/1.1', 'Host: a', 'Connection: close', `Authorization: Bearer ${API_KEY}`, 'Content-Type: application/json', ...lines].join('\r\n')}\r\n\r\n`;
}

const ambiguous: Readonly<Record<string, string>> = {
  'both Content-Length and Transfer-Encoding': `${head(['Content-Length: 2', 'Transfer-Encoding: chunked'])}2\r\n{}\r\n0\r\n\r\n`,
  'two lengths': `${head(['Content-Length: 2', 'Content-Length: 3'])}{}`,
  'a length that is none': `${head(['Content-Length: 2x'])}{}`,
  'a negative length': `${head(['Content-Length: -2'])}{}`,
  'an unknown transfer encoding': `${head(['Transfer-Encoding: gzip'])}{}`,
  'a chunk length that is none': `${head(['Transfer-Encoding: chunked'])}zz\r\n{}\r\n0\r\n\r\n`,
  'a space before a colon': `${head(['X-A : b'])}{}`,
  'a line folded': `${head(['X-A: b\r\n c'])}{}`,
  'a header without a colon': head(['nothing']),
  'a control character in a header': head(['X-A: \u0001b']),
  'no request line': 'hello\r\n\r\n',
  'a method that is none': 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n',
  'a version that is none': 'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
  'a TLS greeting': '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001',
};

for (const [name, bytes] of Object.entries(ambiguous)) {
  test(`${name}: refused as malformed, in the form of every error`, async () => {
    await using server = await startServer();
    const answer = await exchangeBytes(server.url, Buffer.from(bytes, 'latin1'));
    assert.equal(answer.status, 400, answer.text);
    assert.equal(headerOf(answer, 'content-type'), 'application/problem+json');
    assert.equal(headerOf(answer, 'connection'), 'close');
    assert.equal(member(answer.body, 'code'), 'malformed_request');
  });
}

test('a head that is too large is refused as such', async () => {
  await using server = await startServer();
  for (const request of [
    { path: `/v1/transactions/${'a'.repeat(20_000)}` },
    { path: '/health/live', headers: [['X-A', 'a'.repeat(20_000)]] as const },
  ]) {
    const answer = await exchange(server.url, { method: 'GET', ...request });
    assert.equal(answer.status, 431);
    assert.equal(member(answer.body, 'code'), 'headers_too_large');
  }
});

test('malformed and odd URLs get a clear answer', async () => {
  await using server = await startServer();
  const answers: Readonly<Record<string, readonly number[]>> = {
    '/v1/transactions/%': [400],
    '/v1/transactions/%zz': [400],
    '/v1/transactions/%ff': [400],
    '/v1/transactions/%c0%80': [400],
    [`/v1/transactions/${'a'.repeat(10_000)}`]: [400, 404, 414],
    '/v1/transactions/%00': [404],
    '/v1/transactions/..%2f..': [404],
    '//v1/transactions': [404],
    '/v1//transactions/x': [404],
    '/v1/transactions/': [404],
    '/V1/transactions/x': [404],
    '/v1/transactions/x#y': [404, 422],
    '/v1/transactions/x;y=1': [404],
    '*': [404],
    'http://other.test/v1/transactions/x': [404],
    '/v1/transactions/x?': [404],
    '/v1/transactions/x?%': [404, 422],
  };
  for (const [path, statuses] of Object.entries(answers)) {
    const answer = await exchange(server.url, { method: 'GET', path, headers: [key] });
    assert.ok(statuses.includes(answer.status), `${path.slice(0, 60)} is answered ${answer.status}`);
    assert.equal(headerOf(answer, 'content-type'), 'application/problem+json');
  }
});

test('a header of which a second one could be read differently by a proxy must be given once', async () => {
  await using server = await startServer();
  const { id } = await server.backEnd.open();
  const path = `/v1/transactions/${id}/messages`;
  const body = '{"type":"t","data":1}';
  const twice: readonly (readonly HeaderLine[])[] = [
    [key, key, JSON_TYPE],
    [key, JSON_TYPE, ['Content-Type', 'text/plain']],
    [key, JSON_TYPE, ['Idempotency-Key', 'a'], ['Idempotency-Key', 'a']],
    [key, JSON_TYPE, ['Host', 'a'], ['Host', 'b']],
  ];
  for (const headers of twice) {
    const answer = await exchange(server.url, { method: 'POST', path, headers, body });
    assert.equal(answer.status, 400, JSON.stringify(headers));
    assert.equal(member(answer.body, 'code'), 'malformed_request');
    assert.match(String(member(answer.body, 'detail')), /must be given once/);
    assert.ok(!answer.text.includes(API_KEY));
  }
  assert.deepEqual((await server.backEnd.messages(id)).messages, []);
});

test('a body that does not end is cut off at the limit', async () => {
  await using server = await startServer({ limits: { webhookBodyBytes: 100_000 } });
  const { callbackUrl = '' } = await server.backEnd.open();
  for (const path of [new URL(callbackUrl).pathname, '/v1/transactions']) {
    const { text, written } = await pour(
      server.url,
      `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${API_KEY}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    // Whoever is still writing when the connection goes may miss what was said before.
    if (text !== '') assert.equal(member(parsed(text).body, 'code'), 'body_too_large');
    assert.ok(written > 100_000);
    assert.ok(written < 64 * 1024 * 1024, `${written} bytes were written before the connection went`);
  }
});

test('a body above the limit whose end is in sight is read, so that its sender sees the refusal', async () => {
  await using server = await startServer();
  const body = `{"metadata":{"a":"${'a'.repeat(8_000_000)}"}}`;
  const answer = await exchange(server.url, { method: 'POST', path: '/v1/transactions', headers: [key, JSON_TYPE], body });
  assert.equal(answer.status, 413);
  assert.equal(member(answer.body, 'code'), 'body_too_large');
});

test('one who is still sending such a body is not closed on: a proxy would lose the refusal', async () => {
  await using server = await startServer();
  const body = `{"metadata":{"a":"${'a'.repeat(8_000_000)}"}}`;
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname).setEncoding('utf8');
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  const lines = ['Host: a', `Authorization: Bearer ${API_KEY}`, 'Content-Type: application/json'].join('\r\n');
  socket.write(`POST /v1/transactions HTTP/1.1\r\n${lines}\r\nContent-Length: ${body.length}\r\n\r\n`);
  await eventually('the refusal', async () => text.includes('body_too_large'));
  socket.write(body);
  socket.write('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await once(socket, 'end');
  assert.match(text, /^HTTP\/1.1 413 [^]*HTTP\/1.1 200 /);
});

test('a length above the limit is refused before the body is sent', async () => {
  await using server = await startServer();
  const answer = await exchange(server.url, {
    method: 'POST',
    path: '/v1/transactions',
    headers: [key, JSON_TYPE, ['Content-Length', '4000000000']],
  });
  assert.equal(answer.status, 413);
  assert.equal(member(answer.body, 'code'), 'body_too_large');
});

test('a chunked body is read like any other', async () => {
  await using server = await startServer();
  const answer = await exchangeBytes(
    server.url,
    `${head(['Transfer-Encoding: chunked'])}8\r\n{"ttlSec\r\n9\r\nonds":9} \r\n0\r\n\r\n`,
  );
  assert.equal(answer.status, 201, answer.text);
});

test('an offer to upgrade to something else is ignored, also with a body', async () => {
  await using server = await startServer();
  const { id } = await server.backEnd.open();
  const upgrade: readonly HeaderLine[] = [
    key,
    JSON_TYPE,
    ['Connection', 'Upgrade, HTTP2-Settings, close'],
    ['Upgrade', 'h2c'],
    ['HTTP2-Settings', 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA'],
  ];
  const sent = await exchange(server.url, {
    method: 'POST',
    path: `/v1/transactions/${id}/messages`,
    headers: upgrade,
    body: '{"type":"t","data":1}',
  });
  assert.equal(sent.status, 202, sent.text);
  assert.equal((await exchange(server.url, { method: 'GET', path: `/v1/transactions/${id}`, headers: upgrade })).status, 200);
});

test('an upgrade to a WebSocket beside the hub is not found', async () => {
  await using server = await startServer();
  const headers: readonly HeaderLine[] = [
    key,
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ];
  assert.equal((await exchange(server.url, { method: 'GET', path: '/v1/transactions/x', headers })).status, 404);
});
