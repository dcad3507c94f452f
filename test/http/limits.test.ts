/** Every limit: what is just within it is taken, what is one beyond it is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WireOpened } from '../../src/server/wire.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startServer, stores, temporaryFolder, type ServerOptions, type TestServer } from '../fixtures/server.ts';
import { member } from './wire-client.ts';

const WHITE = ' \t\r\n'.repeat(50_000);

function codeOf({ body }: Answer): unknown {
  return member(body, 'code');
}

function sendRaw({ backEnd }: TestServer, id: string, data: string, rest = ''): Promise<Answer> {
  return backEnd.call('POST', `/v1/transactions/${id}/messages`, {
    raw: `{${WHITE}"type":"t",${rest}"data":${WHITE}${data}${WHITE}}`,
  });
}

function ackRaw({ url }: TestServer, { id, accessToken }: WireOpened, members: string): Promise<Answer> {
  return request('POST', `${url}/v1/transactions/${id}/acks`, { bearer: accessToken, raw: `{"sequence":1,${members}}` });
}

/** A JSON text of so many bytes. */
const text = (bytes: number): string => `"${'a'.repeat(bytes - 2)}"`;
const object = (bytes: number): string => `{"a":${text(bytes - 6)}}`;

test('data may have messageBytes as compact JSON, however much white space is around it, and not one more', async () => {
  await using server = await startServer();
  const { id } = await server.backEnd.open();
  for (const data of [
    text(65_536),
    `"${'é'.repeat(32_767)}"`,
    `"${'\\u0041'.repeat(10_922)}ab"`,
    `[${'1,'.repeat(32_766)} 12]`,
  ]) {
    assert.equal((await sendRaw(server, id, data)).status, 202, data.slice(0, 20));
  }
  for (const data of [
    text(65_537),
    `"${'é'.repeat(32_767)}a"`,
    `"${'\\u0041'.repeat(10_922)}abc"`,
    `[${'1,'.repeat(32_766)} 123]`,
  ]) {
    const answer = await sendRaw(server, id, data);
    assert.equal(answer.status, 413, data.slice(0, 20));
    assert.equal(codeOf(answer), 'data_too_large');
  }
  assert.equal((await server.backEnd.transaction(id)).lastSequence, 4);
});

test('metadata may have metadataBytes, a reply and an error replyBytes, and not one more', async () => {
  await using server = await startServer();
  const open = (bytes: number): Promise<Answer> =>
    server.backEnd.call('POST', '/v1/transactions', { raw: `{"metadata":${WHITE}${object(bytes)}}` });
  assert.equal((await open(4096)).status, 201);
  const refused = await open(4097);
  assert.deepEqual([refused.status, codeOf(refused)], [413, 'metadata_too_large']);
  const opened = await server.backEnd.open();
  const { id } = await server.backEnd.send(opened.id);
  for (const members of [`"reply":${text(8193)}`, `"reply":${WHITE}${object(8193)}`, `"error":"${'a'.repeat(8193)}"`]) {
    const answer = await ackRaw(server, opened, members);
    assert.deepEqual([answer.status, codeOf(answer)], [413, 'reply_too_large'], members.slice(0, 12));
  }
  assert.equal((await server.backEnd.receipt(opened.id, id)).status, 'stored');
  assert.equal((await ackRaw(server, opened, `"error":"${'a'.repeat(8192)}"`)).status, 204);
  assert.equal((await ackRaw(server, opened, `"reply":${WHITE}${text(8192)}`)).status, 204);
});

test('a callback may have webhookBodyBytes in all, and messageBytes of data', async () => {
  await using server = await startServer({ limits: { webhookBodyBytes: 1_000, messageBytes: 500 } });
  const { callbackUrl = '' } = await server.backEnd.open();
  const post = (raw: string): Promise<Answer> => request('POST', callbackUrl, { raw });
  const padded = (bytes: number): string => `{"a":1}${' '.repeat(bytes - 7)}`;
  assert.equal((await post(padded(1_000))).status, 202);
  const large = await post(padded(1_001));
  assert.deepEqual([large.status, codeOf(large)], [413, 'body_too_large']);
  assert.equal((await post(object(500))).status, 202);
  const fat = await post(object(501));
  assert.deepEqual([fat.status, codeOf(fat)], [413, 'data_too_large']);
});

test('a metadata or reply limit above the one of messages can be used', async () => {
  await using server = await startServer({ limits: { messageBytes: 10, metadataBytes: 3_000_000, replyBytes: 3_000_000 } });
  assert.equal((await server.backEnd.call('POST', '/v1/transactions', { raw: `{"metadata":${object(3_000_000)}}` })).status, 201);
  const opened = await server.backEnd.open();
  await server.backEnd.send(opened.id);
  assert.equal((await ackRaw(server, opened, `"reply":${text(3_000_000)}`)).status, 204);
});

test('types, ids, keys and references have their greatest length, and not one character more', async () => {
  await using server = await startServer();
  const { id } = await server.backEnd.open();
  const path = `/v1/transactions/${id}/messages`;
  const send = (json: object, key?: string): Promise<Answer> =>
    server.backEnd.call('POST', path, {
      json: { type: 't', data: 1, ...json },
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });
  assert.equal((await send({ type: 'a.B:9_/-'.padEnd(100, 'x') })).status, 202);
  assert.equal((await send({ type: 'x'.repeat(101) })).status, 422);
  assert.equal((await send({ id: '😀'.repeat(200) })).status, 202);
  assert.equal((await send({ id: '😀'.repeat(201) })).status, 422);
  assert.equal((await send({}, 'k'.repeat(200))).status, 202);
  const long = await send({}, 'k'.repeat(201));
  assert.equal(long.status, 422);
  assert.match(long.text, /"field":"Idempotency-Key"/);
  assert.equal((await send({}, '')).status, 422);
  assert.equal((await server.backEnd.call('POST', '/v1/transactions', { json: { reference: 'r'.repeat(201) } })).status, 422);
  await server.backEnd.open({ reference: 'r'.repeat(200) });
});

test('the life of a transaction is bounded by ttlSecondsMax, an anonymous one by anonymousTtlSecondsMax', async () => {
  const clock = new ManualClock();
  await using server = await startServer({
    clock,
    limits: { ttlSecondsDefault: 50, ttlSecondsMax: 100, anonymousTtlSecondsMax: 20 },
  });
  const life = ({ body }: Answer): number => (Date.parse(String(member(body, 'expiresAt'))) - clock.now()) / 1_000;
  const keyed = (json: object): Promise<Answer> => server.backEnd.call('POST', '/v1/transactions', { json });
  const anonymous = (json: object): Promise<Answer> =>
    request('POST', `${server.url}/v1/transactions`, { json, origin: server.url });
  assert.equal(life(await keyed({})), 50);
  assert.equal(life(await keyed({ ttlSeconds: 100 })), 100);
  assert.equal(life(await keyed({ ttlSeconds: 1 })), 1);
  assert.equal(life(await anonymous({})), 20);
  assert.equal(life(await anonymous({ ttlSeconds: 20 })), 20);
  for (const answer of [
    await keyed({ ttlSeconds: 101 }),
    await anonymous({ ttlSeconds: 21 }),
    await anonymous({ ttlSeconds: 101 }),
    await keyed({ ttlSeconds: 0 }),
  ]) {
    assert.equal(answer.status, 422);
    assert.match(answer.text, /"field":"\/ttlSeconds"/);
  }
});

test('of an anonymous opening only ttlSeconds is heeded', async () => {
  await using server = await startServer();
  const answer = await request('POST', `${server.url}/v1/transactions`, {
    json: { ttlSeconds: 60, reference: 'mine', metadata: { a: 'a'.repeat(9_000) } },
    origin: server.url,
  });
  assert.equal(answer.status, 201);
  assert.deepEqual(Object.keys(Object(answer.body)).toSorted(), ['accessToken', 'expiresAt', 'hubUrl', 'id', 'tokenId']);
  const { reference, metadata } = await server.backEnd.transaction(String(member(answer.body, 'id')));
  assert.deepEqual([reference, metadata], [undefined, undefined]);
});

for (const store of stores) {
  const start = async (folder: string, options: ServerOptions): Promise<TestServer> =>
    startServer({ ...store.at(folder), ...options });

  test(`${store.name}: a full server takes no more transactions until one of them ends`, async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    await using server = await start(folder.path, { clock, limits: { openTransactions: 2 } });
    const { id } = await server.backEnd.open();
    await server.backEnd.open({ ttlSeconds: 10 });
    const refused = await server.backEnd.call('POST', '/v1/transactions', {});
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'too_many_transactions']);
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    await server.backEnd.settle(id);
    await server.backEnd.open();
    assert.equal((await server.backEnd.call('POST', '/v1/transactions', {})).status, 503);
    clock.advance(10_000);
    await server.backEnd.open();
  });

  test(`${store.name}: a full mailbox takes no more messages, but repeats of those that it has`, async () => {
    await using folder = await temporaryFolder();
    await using server = await start(folder.path, { limits: { messagesPerTransaction: 2, mailboxBytes: 100 } });
    const { id } = await server.backEnd.open();
    await server.backEnd.send(id, { id: 'a' });
    await server.backEnd.send(id, { id: 'b' });
    const path = `/v1/transactions/${id}/messages`;
    const full = await server.backEnd.call('POST', path, { json: { type: 'note', data: null } });
    assert.deepEqual([full.status, codeOf(full)], [409, 'mailbox_full']);
    assert.deepEqual(await server.backEnd.send(id, { id: 'a' }), { id: 'a', sequence: 1, status: 'stored', duplicate: true });
    const third = await server.backEnd.open();
    const call = (): Promise<Answer> => request('POST', third.callbackUrl ?? '', { json: { paid: true } });
    assert.deepEqual([(await call()).status, (await call()).status], [202, 202]);
    const refused = await call();
    assert.deepEqual([refused.status, codeOf(refused)], [409, 'mailbox_full']);
    const other = await server.backEnd.open();
    assert.equal((await sendRaw(server, other.id, text(60))).status, 202);
    assert.equal((await sendRaw(server, other.id, text(41))).status, 409);
    assert.equal((await sendRaw(server, other.id, text(40))).status, 202);
    assert.equal((await server.backEnd.transaction(other.id)).lastSequence, 2);
  });

  test(`${store.name}: a settled or expired transaction answers until its retention is over, and then as one that never was`, async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    await using server = await start(folder.path, { clock, retentionSeconds: 100 });
    for (const end of ['settled', 'expired']) {
      const { id, accessToken, callbackUrl = '' } = await server.backEnd.open({ ttlSeconds: 10, reference: end });
      await server.backEnd.send(id, { id: 'm' });
      if (end === 'settled') await server.backEnd.settle(id);
      else clock.advance(10_000);
      const path = `/v1/transactions/${id}`;
      const asked = async (): Promise<number[]> => [
        (await server.backEnd.call('GET', path)).status,
        (await request('GET', `${server.url}${path}/messages`, { bearer: accessToken })).status,
        (await server.backEnd.call('GET', `${path}/messages/m`)).status,
        (await server.backEnd.call('POST', `${path}/messages`, { json: { type: 't', data: 1 } })).status,
        (await request('POST', callbackUrl, { json: {} })).status,
        (await request('POST', `${server.url}/hub/negotiate`, { bearer: accessToken })).status,
      ];
      clock.advance(99_999);
      assert.deepEqual(await asked(), [200, 200, 200, 410, 202, 200], end);
      clock.advance(1);
      assert.deepEqual(await asked(), [404, 401, 404, 404, 404, 401], end);
      assert.equal((await server.backEnd.call('GET', `/v1/transactions?reference=${end}`)).text, '{"transactions":[]}');
      assert.equal((await request('GET', `${server.url}${path}`, { bearer: API_KEY })).status, 404);
    }
  });
}
