import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createRingback,
  RingbackError,
  type BatchMessage,
  type Message,
  type Ringback,
  type RingbackOptions,
} from '../../src/index.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { stores, temporaryFolder } from '../fixtures/server.ts';

async function withRingback(options: RingbackOptions, run: (ringback: Ringback) => Promise<void>): Promise<void> {
  const ringback = await createRingback({ store: 'memory:', ...options });
  try {
    await run(ringback);
  } finally {
    await ringback.close();
  }
}

/** The code with which it fails, and the fields it names. */
async function fault(work: () => Promise<unknown>): Promise<[string, ...string[]]> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RingbackError) return [error.code, ...(error.faults ?? []).map(({ field }) => field)];
    throw error;
  }
  return ['no fault'];
}

for (const store of stores) {
  test(`a transaction is led through its whole life by functions (${store.name})`, async () => {
    await using folder = await temporaryFolder();
    await withRingback(store.at(folder.path), async (ringback) => {
      const opened = await ringback.open({ ttlSeconds: 60, reference: 'order 1', metadata: { a: 1 } });
      const { id } = opened;
      assert.match(opened.callbackUrl ?? '', /\/callbacks\/./);
      const sent = await ringback.send(id, { type: 'a.b', data: { n: [1, null] }, idempotencyKey: 'k' });
      assert.deepEqual(sent, { id: sent.id, sequence: 1, status: 'stored', duplicate: false });
      const again = await ringback.send(id, { type: 'a.b', data: { n: [1, null] }, idempotencyKey: 'k' });
      assert.deepEqual(again, { ...sent, duplicate: true });
      const { messages, lastSequence } = await ringback.messages(id);
      assert.deepEqual([messages[0]?.data, lastSequence], [{ n: [1, null] }, 1]);
      assert.equal((await ringback.receipt(id, sent.id)).status, 'stored');
      await ringback.acknowledge(id, { sequence: 1, reply: 'done' });
      assert.deepEqual(await ringback.send(id, { type: 'a.b', data: { n: [1, null] }, idempotencyKey: 'k', waitSeconds: 1 }), {
        id: sent.id,
        sequence: 1,
        status: 'handled',
        duplicate: true,
        reply: 'done',
      });
      const token = await ringback.addToken(id);
      await ringback.revokeToken(id, token.tokenId);
      const callback = await ringback.addCallback(id);
      await ringback.revokeCallback(id, callback.callbackId);
      assert.deepEqual(await ringback.settle(id), { id, state: 'settled' });
      const found = await ringback.transactionsByReference('order 1');
      assert.deepEqual(found, [await ringback.transaction(id)]);
      assert.partialDeepStrictEqual(found, [{ id, state: 'settled', ackedSequence: 1, metadata: { a: 1 }, connections: [] }]);
      await ringback.forget(id);
      assert.deepEqual(await fault(() => ringback.transaction(id)), ['transaction_not_found']);
    });
  });

  test(`many messages are sent by one call, and each has its result (${store.name})`, async () => {
    await using folder = await temporaryFolder();
    await withRingback({ ...store.at(folder.path), limits: { jsonDepth: 4 } }, async (ringback) => {
      const [first, second] = [await ringback.open(), await ringback.open()];
      const results = await ringback.sendAll([
        { transaction: first.id, type: 'a', data: { __proto__: null, n: 1 }, id: 'x' },
        { transaction: second.id, type: 'a', data: new Date(0) },
        { transaction: first.id, type: 'a', data: 2, id: 'x' },
        { transaction: 'nobody', type: 'a', data: 3 },
      ]);
      const made = results[1] !== undefined && 'id' in results[1] ? results[1].id : undefined;
      assert.deepEqual(results, [
        { id: 'x', sequence: 1, status: 'stored', duplicate: false },
        { id: made, sequence: 1, status: 'stored', duplicate: false },
        { error: { code: 'idempotency_conflict', status: 409, title: 'This idempotency key was used with another body.' } },
        { error: { code: 'transaction_not_found', status: 404, title: 'There is no such transaction.' } },
      ]);
      assert.equal((await ringback.messages(second.id)).messages[0]?.data, '1970-01-01T00:00:00.000Z');
      const good: BatchMessage = { transaction: first.id, type: 'a', data: 1 };
      const of = (...more: object[]): Promise<[string, ...string[]]> =>
        fault(() => ringback.sendAll([good, ...more.map((each) => ({ ...good, ...each }))]));
      assert.deepEqual(await of({ type: 'no spaces' }, { id: '' }), ['invalid_request', '/1/type', '/2/id']);
      assert.deepEqual(await of({ data: undefined }), ['invalid_request', '/1/data']);
      assert.deepEqual(await of({ data: 1n }), ['invalid_request', '/1/data']);
      assert.deepEqual(await of({ idempotencyKey: 'k' }), ['invalid_request', '/1/idempotencyKey']);
      assert.deepEqual(await of({ data: [[[[[]]]]] }), ['json_too_deep']);
      assert.deepEqual(await of(...Array.from({ length: 1_000 }, () => good)), ['invalid_request', '']);
      assert.deepEqual(await fault(() => ringback.sendAll([])), ['invalid_request', '']);
      assert.equal((await ringback.transaction(first.id)).lastSequence, 1);
    });
  });

  test(`close() lets go of the store (${store.name})`, async () => {
    await using folder = await temporaryFolder();
    const first = await createRingback(store.at(folder.path));
    const { id } = await first.open();
    await first.close();
    assert.deepEqual(await fault(() => first.send(id, { type: 'a', data: 1 })), ['store_unavailable']);
    assert.deepEqual(await fault(() => first.sendAll([{ transaction: id, type: 'a', data: 1 }])), ['store_unavailable']);
    await withRingback(store.at(folder.path), async (second) => {
      const known = await fault(() => second.send(id, { type: 'a', data: 1 }));
      assert.deepEqual(known, [store.name === 'memory' ? 'transaction_not_found' : 'no fault']);
    });
  });
}

test('every fault has the code of the HTTP API', async () => {
  const clock = new ManualClock();
  await withRingback({ clock, limits: { messageBytes: 10, metadataBytes: 10, messagesPerTransaction: 2 } }, async (ringback) => {
    const { id } = await ringback.open({ reference: 'taken', ttlSeconds: 60 });
    const of = (message: object): Promise<[string, ...string[]]> =>
      fault(() => ringback.send(id, { type: 'a', data: 1, ...message }));
    const circular: unknown[] = [];
    circular.push(circular);
    const cases: readonly (readonly [[string, ...string[]], Promise<[string, ...string[]]>])[] = [
      [['reference_taken'], fault(() => ringback.open({ reference: 'taken' }))],
      [['invalid_request', '/reference'], fault(() => ringback.open({ reference: 'txn_mine' }))],
      [['invalid_request', '/ttlSeconds'], fault(() => ringback.open({ ttlSeconds: 0 }))],
      [['invalid_request', '/ttlSeconds'], fault(() => ringback.open({ ttlSeconds: 31_536_001 }))],
      [['metadata_too_large'], fault(() => ringback.open({ metadata: { a: 'long enough' } }))],
      [['invalid_request', '/type'], of({ type: 'no spaces' })],
      [['invalid_request', '/data'], of({ data: undefined })],
      [['invalid_request', '/data'], of({ data: 1n })],
      [['invalid_request', '/data'], of({ data: circular })],
      [['json_too_deep'], of({ data: JSON.parse('['.repeat(65) + ']'.repeat(65)) })],
      [['data_too_large'], of({ data: 'ten bytes' })],
      [['invalid_request', '/id'], of({ id: '' })],
      [['invalid_request', '/id'], of({ id: 'one', idempotencyKey: 'other' })],
      [['invalid_request', '/waitSeconds'], of({ waitSeconds: -1 })],
      [['invalid_request', '/wait'], of({ wait: 1 })],
      [['transaction_not_found'], fault(() => ringback.send('txn_unknown', { type: 'a', data: 1 }))],
      [['message_not_found'], fault(() => ringback.receipt(id, 'msg_unknown'))],
      [['token_not_found'], fault(() => ringback.revokeToken(id, 'tok_unknown'))],
      [['callback_not_found'], fault(() => ringback.revokeCallback(id, 'cbk_unknown'))],
      [['transaction_not_found'], fault(() => ringback.settle('txn_unknown'))],
      [['sequence_out_of_range'], fault(() => ringback.acknowledge(id, { sequence: 1 }))],
      [['invalid_request', '/sequence'], fault(() => ringback.acknowledge(id, { sequence: 0 }))],
      [['invalid_request', '/limit'], fault(() => ringback.messages(id, { limit: 1001 }))],
    ];
    for (const [index, [expected, actual]] of cases.entries()) {
      assert.deepEqual((await actual).slice(0, expected.length), expected, `case ${index}`);
    }
    assert.deepEqual(await of({ id: 'one' }), ['no fault']);
    assert.deepEqual(await of({ id: 'one', data: 2 }), ['idempotency_conflict']);
    assert.deepEqual(await of({ id: 'two' }), ['no fault']);
    assert.deepEqual(await of({ id: 'three' }), ['mailbox_full']);
    clock.advance(60_000);
    assert.deepEqual(await of({}), ['transaction_expired']);
    const settled = await ringback.open();
    await ringback.settle(settled.id);
    const late: Message = { type: 'a', data: 1 };
    assert.deepEqual(await fault(() => ringback.send(settled.id, late)), ['transaction_settled']);
  });
});

test('a configuration that cannot be is refused, naming what is wrong', async () => {
  for (const prefix of ['ringback', '/ringback/', '/', '/a b', '/a?b']) {
    await assert.rejects(createRingback({ store: 'memory:', prefix }), /prefix: expected a path/);
  }
  const wrong = Object.fromEntries([['retentionSecond', 1]]);
  await assert.rejects(createRingback({ store: 'memory:', ...wrong }), /retentionSecond/);
});

test('the demo is refused by name, and the app is told where it is', async () => {
  await assert.rejects(createRingback({ store: 'memory:', demo: true }), {
    name: 'ConfigurationError',
    message: /^demo: .*"ringback serve --demo"$/,
  });
  await withRingback({ demo: false }, async (ringback) => assert.ok((await ringback.open()).id));
});

test('a key that everybody or nobody could show is refused, and not repeated', async () => {
  for (const key of ['', 'canary key', 'canary'.repeat(100)]) {
    await assert.rejects(createRingback({ store: 'memory:', apiKeys: ['a-good-key', key] }), (error: Error) => {
      assert.equal(error.name, 'ConfigurationError');
      assert.match(error.message, /apiKeys: expected 1 to 512 printable ASCII characters without spaces as entry 2/);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    });
  }
});
