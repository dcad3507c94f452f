/** Every route, when it is used as it is meant to be: status, body and headers as the contract has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API_KEY } from '../fixtures/back-end.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startServer, stores, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { member } from './wire-client.ts';

const START = Date.UTC(2030, 0, 1);
const iso = (ms: number): string => new Date(START + ms).toISOString();

function assertJson(answer: Answer, status: number, body: unknown): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.deepEqual(answer.body, body);
}

function assertEmpty(answer: Answer): void {
  assert.equal(answer.status, 204, answer.text);
  assert.equal(answer.text, '');
  assert.equal(answer.headers.get('content-type'), null);
}

function textOf(answer: Answer, name: string, form: RegExp): string {
  const value = member(answer.body, name);
  assert.ok(typeof value === 'string' && form.test(value), `${name} is ${String(value)}`);
  return value;
}

/** Answers that hold a secret, or what changes, are never kept by a cache. */
function assertNotCached(answer: Answer): void {
  assert.equal(answer.headers.get('cache-control'), 'no-store');
}

const SECRET = '[A-Za-z0-9_-]{43}';

async function openTransaction(
  { backEnd, url }: TestServer,
  json: object,
): Promise<{ id: string; accessToken: string; tokenId: string; callbackUrl: string; callbackId: string }> {
  const answer = await backEnd.call('POST', '/v1/transactions', { json });
  const id = textOf(answer, 'id', /^txn_[\w-]{22,}$/);
  const accessToken = textOf(answer, 'accessToken', new RegExp(`^rbat_${SECRET}$`));
  const tokenId = textOf(answer, 'tokenId', /^tok_[\w-]+$/);
  const callbackUrl = textOf(answer, 'callbackUrl', new RegExp(`^${url}/callbacks/rbcb_${SECRET}$`));
  const callbackId = textOf(answer, 'callbackId', /^cbk_[\w-]+$/);
  assertNotCached(answer);
  assertJson(answer, 201, { id, accessToken, tokenId, expiresAt: iso(60_000), hubUrl: `${url}/hub`, callbackUrl, callbackId });
  return { id, accessToken, tokenId, callbackUrl, callbackId };
}

for (const store of stores) {
  test(`${store.name}: a transaction from its opening until it is forgotten`, async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock(START);
    await using server = await startServer({ ...store.at(folder.path), clock });
    const { backEnd, url } = server;
    const { id, accessToken, tokenId, callbackUrl, callbackId } = await openTransaction(server, {
      ttlSeconds: 60,
      metadata: { cart: [1, 2] },
      reference: 'order 1',
    });
    const path = `/v1/transactions/${id}`;
    const asPage = (method: string, rest: string, json?: object): Promise<Answer> =>
      request(method, `${url}${path}${rest}`, { bearer: accessToken, ...(json !== undefined && { json }) });

    const seen = {
      id,
      state: 'open',
      createdAt: iso(0),
      expiresAt: iso(60_000),
      lastSequence: 0,
      ackedSequence: 0,
      connections: [],
    };
    const owned = { ...seen, reference: 'order 1', metadata: { cart: [1, 2] } };
    assertJson(await backEnd.call('GET', path), 200, owned);
    assertJson(await asPage('GET', ''), 200, seen);
    assertJson(await backEnd.call('GET', '/v1/transactions?reference=order%201'), 200, { transactions: [owned] });
    assertJson(await backEnd.call('GET', '/v1/transactions?reference=order+2'), 200, { transactions: [] });
    const taken = await backEnd.call('POST', '/v1/transactions', { json: { reference: 'order 1' } });
    assert.deepEqual([taken.status, member(taken.body, 'code')], [409, 'reference_taken']);

    clock.advance(1_000);
    const message = { type: 'paid', data: { total: 12.5 }, id: 'm1' };
    const sent = await backEnd.call('POST', `${path}/messages`, { json: message });
    assertNotCached(sent);
    assertJson(sent, 202, { id: 'm1', sequence: 1, status: 'stored', duplicate: false });
    assertJson(await request('POST', callbackUrl, { json: { from: 'a provider' } }), 202, {});
    const receipt = { id: 'm1', sequence: 1, status: 'stored', storedAt: iso(1_000), attempts: 0 };
    assertJson(await backEnd.call('GET', `${path}/messages/m1`), 200, receipt);

    const first = { id: 'm1', sequence: 1, type: 'paid', data: { total: 12.5 }, time: iso(1_000) };
    const byKey = await backEnd.call('GET', `${path}/messages?limit=1`);
    assertNotCached(byKey);
    assertJson(byKey, 200, { messages: [first], lastSequence: 2, ackedSequence: 0, state: 'open' });
    assertJson(await backEnd.call('GET', `${path}/messages/m1`), 200, receipt);
    assert.equal((await request('HEAD', `${url}${path}/messages`, { bearer: accessToken })).status, 200);
    assertJson(await backEnd.call('GET', `${path}/messages/m1`), 200, receipt);
    clock.advance(1_000);
    assertJson(await asPage('GET', '/messages?after=0&limit=1'), 200, {
      messages: [first],
      lastSequence: 2,
      ackedSequence: 0,
      state: 'open',
    });
    assertJson(await backEnd.call('GET', `${path}/messages/m1`), 200, {
      ...receipt,
      status: 'delivered',
      deliveredAt: iso(2_000),
      attempts: 1,
    });
    clock.advance(1_000);
    assertEmpty(await asPage('POST', '/acks', { sequence: 1, reply: { thanks: true } }));
    const handled = {
      ...receipt,
      status: 'handled',
      deliveredAt: iso(2_000),
      handledAt: iso(3_000),
      attempts: 1,
      reply: { thanks: true },
    };
    assertJson(await backEnd.call('GET', `${path}/messages/m1`), 200, handled);
    assertEmpty(await asPage('POST', '/acks', { sequence: 2, error: 'the handler failed' }));
    const { messages } = await backEnd.messages(id, 1);
    const callBackId = messages[0]?.id ?? '';
    const failed = await backEnd.call('GET', `${path}/messages/${callBackId}`);
    assert.deepEqual([member(failed.body, 'status'), member(failed.body, 'error')], ['failed', 'the handler failed']);
    const beyond = await asPage('POST', '/acks', { sequence: 3 });
    assert.deepEqual([beyond.status, member(beyond.body, 'code')], [422, 'sequence_out_of_range']);
    assertJson(await asPage('GET', '/messages?after=2'), 200, { messages: [], lastSequence: 2, ackedSequence: 2, state: 'open' });

    const minted = await backEnd.call('POST', `${path}/tokens`);
    assertNotCached(minted);
    const second = {
      tokenId: textOf(minted, 'tokenId', /^tok_/),
      accessToken: textOf(minted, 'accessToken', new RegExp(`^rbat_${SECRET}$`)),
    };
    assertJson(minted, 201, second);
    assert.equal((await request('GET', `${url}${path}`, { bearer: second.accessToken })).status, 200);
    assertEmpty(await backEnd.call('DELETE', `${path}/tokens/${tokenId}`));
    assert.equal((await asPage('GET', '')).status, 401);
    assert.equal((await request('GET', `${url}${path}`, { bearer: second.accessToken })).status, 200);
    assert.equal(member((await backEnd.call('DELETE', `${path}/tokens/${tokenId}`)).body, 'code'), 'token_not_found');

    const mintedUrl = await backEnd.call('POST', `${path}/callbacks`);
    assertNotCached(mintedUrl);
    assertJson(mintedUrl, 201, {
      callbackUrl: textOf(mintedUrl, 'callbackUrl', /\/callbacks\/rbcb_/),
      callbackId: textOf(mintedUrl, 'callbackId', /^cbk_/),
    });
    assertEmpty(await backEnd.call('DELETE', `${path}/callbacks/${callbackId}`));
    assert.equal((await request('POST', callbackUrl, { json: {} })).status, 404);
    assert.equal(member((await backEnd.call('DELETE', `${path}/callbacks/${callbackId}`)).body, 'code'), 'callback_not_found');

    assertJson(await backEnd.call('POST', `${path}/settle`), 200, { id, state: 'settled' });
    assertJson(await backEnd.call('POST', `${path}/settle`), 200, { id, state: 'settled' });
    const late = await backEnd.call('POST', `${path}/messages`, { json: { type: 't', data: 1 } });
    assert.deepEqual([late.status, member(late.body, 'code')], [410, 'transaction_settled']);
    // Ended, it no longer holds its reference.
    assert.equal((await backEnd.call('POST', '/v1/transactions', { json: { reference: 'order 1' } })).status, 201);
    const both = await backEnd.call('GET', '/v1/transactions?reference=order%201');
    const states = member(both.body, 'transactions');
    assert.ok(Array.isArray(states));
    assert.deepEqual(
      states.map((each) => member(each, 'state')),
      ['open', 'settled'],
      'newest first',
    );

    assertEmpty(await backEnd.call('DELETE', path));
    assert.equal((await backEnd.call('DELETE', path)).status, 404);
    assert.equal((await request('GET', `${url}${path}`, { bearer: second.accessToken })).status, 401);
  });
}

test('a page of an allowed origin opens a transaction without a key, and gets no callback URL', async () => {
  await using server = await startServer();
  const answer = await request('POST', `${server.url}/v1/transactions`, { origin: server.url });
  assert.equal(answer.status, 201);
  assertNotCached(answer);
  assert.deepEqual(Object.keys(Object(answer.body)).toSorted(), ['accessToken', 'expiresAt', 'hubUrl', 'id', 'tokenId']);
});

test('errors are problem details with a stable code', async () => {
  await using server = await startServer();
  const answer = await request('GET', `${server.url}/v1/transactions/txn_x`, { bearer: API_KEY });
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  assert.deepEqual(answer.body, {
    type: 'about:blank',
    title: 'There is no such transaction.',
    status: 404,
    code: 'transaction_not_found',
  });
  assertNotCached(answer);
});

test('health says that the process lives and is ready', async () => {
  await using server = await startServer();
  assertJson(await request('GET', `${server.url}/health/live`), 200, { status: 'live' });
  assertJson(await request('GET', `${server.url}/health/ready`), 200, { status: 'ready' });
});
