import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RingbackConfiguration } from '../../src/server/configuration.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Page } from '../fixtures/page.ts';
import { startServer, stores, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { member } from './wire-client.ts';

interface Sending {
  readonly key?: string;
  readonly id?: string;
  readonly data?: unknown;
  readonly type?: string;
  readonly waitSeconds?: number;
}

function send({ backEnd }: TestServer, transactionId: string, { key, waitSeconds, ...message }: Sending): Promise<Answer> {
  const headers = {
    ...(key !== undefined && { 'idempotency-key': key }),
    ...(waitSeconds !== undefined && { prefer: `wait=${waitSeconds}` }),
  };
  return backEnd.call('POST', `/v1/transactions/${transactionId}/messages`, {
    headers,
    json: { type: 'paid', data: { n: 1 }, ...message },
  });
}

/** What a sender is told, `id` made by the server left out where it is. */
function told({ status, body }: Answer): unknown[] {
  return [status, member(body, 'id'), member(body, 'sequence'), member(body, 'duplicate')];
}

async function eachStore(run: (configuration: RingbackConfiguration) => Promise<void>): Promise<void> {
  let ran = 0;
  for (const store of stores) {
    await using folder = await temporaryFolder();
    await run(store.at(folder.path));
    ran++;
  }
  assert.equal(ran, 2);
}

test('a repeat with the same key in the header, in the body, or in both answers the first message', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    const first = await send(server, id, { key: 'k1' });
    const messageId = member(first.body, 'id');
    assert.deepEqual(told(first), [202, messageId, 1, false]);
    assert.match(String(messageId), /^msg_/);
    assert.deepEqual(told(await send(server, id, { key: 'k1' })), [202, messageId, 1, true]);
    assert.deepEqual(told(await send(server, id, { id: 'k2' })), [202, 'k2', 2, false]);
    assert.deepEqual(told(await send(server, id, { id: 'k2' })), [202, 'k2', 2, true]);
    assert.deepEqual(told(await send(server, id, { key: 'k2' })), [202, 'k2', 2, true]);
    assert.deepEqual(told(await send(server, id, { key: 'k3', id: 'k3' })), [202, 'k3', 3, false]);
    assert.deepEqual(told(await send(server, id, { key: 'k3' })), [202, 'k3', 3, true]);
    assert.equal((await server.backEnd.transaction(id)).lastSequence, 3);
  }));

test('a header and an id that differ are refused', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    const answer = await send(server, id, { key: 'a', id: 'b' });
    assert.equal(answer.status, 422);
    assert.match(answer.text, /"field":"\/id"/);
    assert.equal((await server.backEnd.transaction(id)).lastSequence, 0);
  }));

test('the same key with another type or other data is a conflict, and changes nothing', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    await send(server, id, { key: 'k' });
    await send(server, id, { id: 'm' });
    for (const other of [
      { key: 'k', data: { n: 2 } },
      { key: 'k', type: 'failed' },
      { id: 'm', data: null },
      { key: 'm', id: 'm', type: 'x' },
    ]) {
      const answer = await send(server, id, other);
      assert.deepEqual([answer.status, member(answer.body, 'code')], [409, 'idempotency_conflict'], JSON.stringify(other));
    }
    const { messages } = await server.backEnd.messages(id);
    assert.deepEqual(
      messages.map(({ type, data }) => ({ type, data })),
      [
        { type: 'paid', data: { n: 1 } },
        { type: 'paid', data: { n: 1 } },
      ],
    );
  }));

test('the white space of a repeat does not matter', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    const raw = (text: string): Promise<Answer> => server.backEnd.call('POST', `/v1/transactions/${id}/messages`, { raw: text });
    assert.deepEqual(told(await raw('{"type":"t","data":{"a":[1,2]},"id":"m"}')), [202, 'm', 1, false]);
    assert.deepEqual(told(await raw(' { "id" : "m", "data" : { "a" : [ 1 , 2 ] }, "type" : "t" } ')), [202, 'm', 1, true]);
  }));

test('a key belongs to its transaction', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    for (let round = 0; round < 2; round++) {
      const { id } = await server.backEnd.open();
      assert.deepEqual(told(await send(server, id, { key: 'k', id: 'k', data: round })), [202, 'k', 1, false]);
    }
  }));

test('a repeat after settle or expiry gets the first answer, a new message and a conflict do not', () =>
  eachStore(async (configuration) => {
    for (const end of ['settled', 'expired']) {
      const clock = new ManualClock();
      await using folder = await temporaryFolder();
      const store = configuration.store === 'memory:' ? 'memory:' : `sqlite:${folder.path}/other.db`;
      await using server = await startServer({ store, clock });
      const { id } = await server.backEnd.open({ ttlSeconds: 10 });
      await send(server, id, { key: 'k', id: 'k' });
      if (end === 'settled') await server.backEnd.settle(id);
      else clock.advance(10_000);
      assert.deepEqual(told(await send(server, id, { key: 'k' })), [202, 'k', 1, true], end);
      const late = await send(server, id, { key: 'new' });
      assert.deepEqual([late.status, member(late.body, 'code')], [410, `transaction_${end}`]);
      assert.equal((await send(server, id, { key: 'k', data: 2 })).status, 409);
    }
  }));

test('fifty sends with one key at the same time make one message', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    const answers = await Promise.all(Array.from({ length: 50 }, () => send(server, id, { key: 'k' })));
    const ids = new Set(answers.map(({ body }) => member(body, 'id')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
    assert.equal(ids.size, 1);
    assert.equal(answers.filter(({ body }) => member(body, 'duplicate') === false).length, 1);
    assert.equal((await server.backEnd.transaction(id)).lastSequence, 1);
  }));

test('of fifty sends with one key and different data one wins, and the others are conflicts', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id } = await server.backEnd.open();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, data) => send(server, id, { id: 'm', data })));
    assert.equal(answers.filter(({ status }) => status === 202).length, 1);
    assert.equal(answers.filter(({ status }) => status === 409).length, 49);
    assert.equal((await server.backEnd.transaction(id)).lastSequence, 1);
  }));

test('fifty waiting sends with one key wait for the same message, and all are told how it was handled', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id, accessToken, hubUrl } = await server.backEnd.open();
    const waiting = Array.from({ length: 50 }, () => send(server, id, { key: 'k', waitSeconds: 30 }));
    await using page = await Page.open({ hubUrl, accessToken });
    await page.untilMessages(1);
    await page.ack(1, { ok: true });
    const answers = await Promise.all(waiting);
    for (const { status, body } of answers) {
      assert.deepEqual(
        [status, member(body, 'status'), member(body, 'sequence'), member(body, 'reply')],
        [200, 'handled', 1, { ok: true }],
      );
    }
    assert.equal(answers.filter(({ body }) => member(body, 'duplicate') === false).length, 1);
    const late = await send(server, id, { key: 'k', waitSeconds: 30 });
    assert.deepEqual(
      [late.status, member(late.body, 'status'), member(late.body, 'duplicate'), member(late.body, 'reply')],
      [200, 'handled', true, { ok: true }],
    );
    assert.equal(page.messages.length, 1);
  }));

test('a wait that nobody answers ends as stored, after 30 seconds at most', async () => {
  const clock = new ManualClock();
  await using server = await startServer({ clock });
  const { id } = await server.backEnd.open();
  const capped = { 'wait=5': 5, 'respond-async, wait=5': 5, 'WAIT = "5"': 5, 'wait=30': 30, 'wait=3600': 30 };
  for (const [prefer, seconds] of Object.entries(capped)) {
    const armed = clock.pendingCount;
    const answer = server.backEnd.call('POST', `/v1/transactions/${id}/messages`, {
      headers: { prefer },
      json: { type: 't', data: 1 },
    });
    while (clock.pendingCount <= armed) await setImmediate();
    clock.advance(seconds * 1_000);
    const { status, body } = await answer;
    assert.deepEqual([status, member(body, 'status')], [202, 'stored'], prefer);
  }
  for (const prefer of ['wait=0', 'wait=x', 'wait', 'wait=-1', 'wait=1.5', 'return=minimal', '', ',;=']) {
    assert.equal(
      (
        await server.backEnd.call('POST', `/v1/transactions/${id}/messages`, {
          headers: { prefer },
          json: { type: 't', data: 1 },
        })
      ).status,
      202,
      prefer,
    );
  }
});

test('a callback repeated with its key is one message, and its keys do not meet those of the back end', () =>
  eachStore(async (configuration) => {
    await using server = await startServer(configuration);
    const { id, callbackUrl = '' } = await server.backEnd.open();
    const call = (key: string, json: unknown): Promise<Answer> =>
      request('POST', callbackUrl, { headers: { 'idempotency-key': key }, json });
    assert.equal(told(await send(server, id, { key: 'k1' }))[0], 202);
    for (const answer of [await call('k1', { paid: true }), await call('k1', { paid: true })]) {
      assert.deepEqual([answer.status, answer.body], [202, {}]);
    }
    assert.equal((await call('k1', { paid: false })).status, 409);
    assert.equal((await call('', { paid: true })).status, 422);
    const { messages } = await server.backEnd.messages(id);
    assert.deepEqual(
      messages.map(({ type, data }) => [type, data]),
      [
        ['paid', { n: 1 }],
        ['callback', { paid: true }],
      ],
    );
  }));
