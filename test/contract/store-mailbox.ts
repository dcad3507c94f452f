/** The store contract on messages: appending and reading. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AppendResult, Store, StoredMessage } from '../../src/store/store.ts';
import { HANDLED_AT, TTL_MS, handled, message, stored, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

export function appendContract(start: Start): void {
  it('stores messages as given, numbered from 1, with the time of its clock', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    const data = '{"text":"\\u0000 é € 😀 \'\\"--","deep":[[1.0,-0,1e400]]}';
    const result = await store.append({ transactionId: 'a', id: 'm', type: 'paid', data });
    const expected = { transactionId: 'a', id: 'm', sequence: 1, type: 'paid', data, storedAt: clock.now() };
    assert.deepEqual(result, { outcome: 'stored', message: expected });
    clock.advance(7);
    assert.equal(stored(await store.append(message('a', 'n'))).sequence, 2);
    const page = await store.read('a', { after: 0, limit: 10 });
    assert.deepEqual(page?.messages[0], expected);
    assert.equal(page.messages[1]?.storedAt, clock.now());
  });

  it('numbers each transaction for itself, in the order of the calls', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b'));
    const calls = Array.from({ length: 50 }, (_, index) => store.append(message(index % 2 === 0 ? 'a' : 'b', `m${index}`)));
    const sequences = (await Promise.all(calls)).map((result) => stored(result).sequence);
    assert.deepEqual(
      sequences,
      Array.from({ length: 50 }, (_, index) => Math.floor(index / 2) + 1),
    );
    const page = await store.read('b', { after: 0, limit: 100 });
    assert.deepEqual(
      page?.messages.map(({ id }) => id),
      Array.from({ length: 25 }, (_, index) => `m${2 * index + 1}`),
    );
  });

  it('gives the first message for a repeated id or key', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    const first = stored(await store.append({ ...message('a', 'made-1'), key: 'key' }));
    clock.advance(1);
    assert.deepEqual(await store.append({ ...message('a', 'made-2'), key: 'key' }), { outcome: 'duplicate', message: first });
    assert.deepEqual(await store.append(message('a', 'made-1')), { outcome: 'duplicate', message: first });
    assert.deepEqual(await store.append(message('a', 'key')), { outcome: 'duplicate', message: first }, 'an id is a key too');
    const given = stored(await store.append({ ...message('a', 'given'), key: 'given' }));
    assert.deepEqual(await store.append({ ...message('a', 'made-3'), key: 'given' }), { outcome: 'duplicate', message: given });
    assert.equal((await store.read('a', { after: 0, limit: 10 }))?.lastSequence, 2);
  });

  it('names a message that comes without an id, and knows it by that name like any other', async () => {
    await using under = await start();
    const { store } = under;
    for (const id of ['a', 'b']) await store.open(transaction(id));
    const nameless = { transactionId: 'a', type: 'note', data: '1' };
    const calls = Array.from({ length: 50 }, () => store.append(nameless));
    const messages = (await Promise.all(calls)).map(stored);
    assert.equal(new Set(messages.map(({ id }) => id)).size, 50, 'two calls are two messages');
    assert.deepEqual((await store.read('a', { after: 0, limit: 100 }))?.messages, messages);
    const [first, second] = messages;
    assert.ok(first !== undefined && second !== undefined);
    assert.match(first.id, /^msg_[\w-]{24,40}$/);
    await store.mark(handled('a', 1));
    for (const { id, sequence } of [first, second]) {
      const receipt = await store.receipt('a', id);
      assert.deepEqual([receipt?.sequence, receipt?.handledAt], [sequence, sequence === 1 ? HANDLED_AT : undefined]);
      assert.deepEqual(await store.append({ ...nameless, id }), { outcome: 'duplicate', message: messages[sequence - 1] });
      assert.deepEqual(await store.append({ ...nameless, key: id, data: '2' }), { outcome: 'conflict' });
      assert.equal(await store.receipt('b', id), undefined);
    }
    assert.equal(stored(await store.append({ ...nameless, key: 'key' })).sequence, 51);
    assert.equal((await store.append({ ...nameless, key: 'key' })).outcome, 'duplicate');
  });

  it('takes any text for an id, also one that looks like one of its own', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    const made = stored(await store.append({ transactionId: 'a', type: 'note', data: '1' })).id;
    // Of no message, of a message that has another id, and the same with another sequence.
    const lookalikes = [`${made}0000`, `msg_${'x'.repeat(24)}1`, `${made.slice(0, -1)}4`];
    for (const [index, id] of lookalikes.entries()) {
      assert.equal(await store.receipt('a', id), undefined);
      assert.equal(stored(await store.append(message('a', id))).sequence, index + 2);
      assert.equal((await store.receipt('a', id))?.sequence, index + 2);
      assert.equal((await store.append(message('a', id))).outcome, 'duplicate');
    }
    assert.equal((await store.receipt('a', made))?.sequence, 1);
  });

  it('makes one message of two appends with one key, however close together', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    const results = await Promise.all(['x', 'y', 'z'].map((id) => store.append({ ...message('a', id), key: 'key' })));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['stored', 'duplicate', 'duplicate'],
    );
    const [first] = results;
    assert.ok(first !== undefined);
    for (const result of results.slice(1)) assert.deepEqual(result, { outcome: 'duplicate', message: stored(first) });
    assert.equal((await store.read('a', { after: 0, limit: 10 }))?.messages.length, 1);
  });

  it('keeps the keys of transactions apart', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b'));
    for (const id of ['a', 'b']) assert.equal((await store.append({ ...message(id, 'm'), key: 'key' })).outcome, 'stored');
  });

  it('calls another type or data under a used key or id a conflict', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.append({ ...message('a', 'm'), key: 'key' });
    assert.deepEqual(await store.append({ ...message('a', 'n'), key: 'key', data: '2' }), { outcome: 'conflict' });
    assert.deepEqual(await store.append({ ...message('a', 'n'), key: 'key', type: 'other' }), { outcome: 'conflict' });
    assert.deepEqual(await store.append({ ...message('a', 'm'), data: '2' }), { outcome: 'conflict' });
    assert.equal(stored(await store.append(message('a', 'n'))).sequence, 2, 'a conflict burns no sequence and takes no name');
  });

  it('refuses what is unknown, settled or expired, after a look at the key', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b', { ttlMs: 10 }));
    for (const id of ['a', 'b']) await store.append({ ...message(id, 'm'), key: 'key' });
    await store.settle('a');
    clock.advance(10);
    for (const [id, outcome] of [
      ['a', 'settled'],
      ['b', 'expired'],
    ] as const) {
      assert.deepEqual(await store.append(message(id, 'n')), { outcome });
      assert.equal((await store.append({ ...message(id, 'n'), key: 'key' })).outcome, 'duplicate');
      assert.equal((await store.append({ ...message(id, 'm'), data: '2' })).outcome, 'conflict');
    }
    assert.deepEqual(await store.append(message('c', 'm')), { outcome: 'unknown' });
  });

  it('takes so many messages, and still answers repeats when full', async () => {
    await using under = await start({ messagesPerTransaction: 2 });
    const { store } = under;
    await store.open(transaction('a'));
    const results = await Promise.all(['m', 'n', 'o'].map((id) => store.append(message('a', id))));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['stored', 'stored', 'full'],
    );
    assert.deepEqual(results[2], { outcome: 'full', limit: 'messagesPerTransaction' });
    assert.equal((await store.append(message('a', 'n'))).outcome, 'duplicate');
  });

  it('takes so many bytes of data in UTF-8, to the byte', async () => {
    await using under = await start({ mailboxBytes: 10 });
    const { store } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b'));
    const tryData = async (id: string, data: string): Promise<AppendResult> => store.append({ ...message('a', id), data });
    assert.equal((await tryData('m', '"€€"')).outcome, 'stored');
    assert.deepEqual(await tryData('n', '"1"'), { outcome: 'full', limit: 'mailboxBytes' });
    assert.equal((await tryData('o', '12')).outcome, 'stored');
    assert.deepEqual(await tryData('p', '1'), { outcome: 'full', limit: 'mailboxBytes' });
    assert.equal((await store.append(message('b', 'm'))).outcome, 'stored', 'each has a mailbox of its own');
  });
}

export function readContract(start: Start): void {
  const fill = async (store: Store, data: readonly string[]): Promise<void> => {
    await store.open(transaction('a'));
    for (const [index, text] of data.entries()) await store.append({ ...message('a', `m${index + 1}`), data: text });
  };
  const sequences = (page: { readonly messages: readonly StoredMessage[] } | undefined): number[] | undefined =>
    page?.messages.map(({ sequence }) => sequence);

  it('answers what comes after a position, in order, so many at most', async () => {
    await using under = await start();
    const { store, clock } = under;
    await fill(store, ['1', '2', '3', '4', '5']);
    await store.mark(handled('a', 2));
    const position = { state: 'open', expiresAt: clock.now() + TTL_MS, lastSequence: 5, ackedSequence: 2, tokenIsGood: true };
    const { messages, ...rest } = (await store.read('a', { after: 1, limit: 3 })) ?? assert.fail();
    assert.deepEqual(rest, position);
    assert.deepEqual(sequences({ messages }), [2, 3, 4]);
    assert.deepEqual(sequences(await store.read('a', { after: 0, limit: 1 })), [1]);
    assert.deepEqual(sequences(await store.read('a', { after: 5, limit: 3 })), []);
    assert.deepEqual(sequences(await store.read('a', { after: 2 ** 40, limit: 3 })), []);
    assert.deepEqual(sequences(await store.read('a', { after: 'acked', limit: 9 })), [3, 4, 5]);
    assert.equal(await store.read('b', { after: 0, limit: 1 }), undefined);
  });

  it('keeps a page below so many bytes, but never empty', async () => {
    await using under = await start();
    const { store } = under;
    await fill(store, ['"12345678"', '"€€"', '1', '"12345678"']);
    assert.deepEqual(sequences(await store.read('a', { after: 0, limit: 9, maxBytes: 1 })), [1]);
    assert.deepEqual(sequences(await store.read('a', { after: 0, limit: 9, maxBytes: 17 })), [1]);
    assert.deepEqual(sequences(await store.read('a', { after: 0, limit: 9, maxBytes: 18 })), [1, 2]);
    assert.deepEqual(sequences(await store.read('a', { after: 1, limit: 9, maxBytes: 18 })), [2, 3]);
    assert.deepEqual(sequences(await store.read('a', { after: 1, limit: 9, maxBytes: 19 })), [2, 3, 4]);
    assert.deepEqual(sequences(await store.read('a', { after: 1, limit: 1, maxBytes: 19 })), [2]);
  });

  it('also says whether a token is still good', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b'));
    const isGood = async (tokenId: string): Promise<boolean | undefined> =>
      (await store.read('a', { after: 0, limit: 1, tokenId }))?.tokenIsGood;
    assert.equal(await isGood('token-a'), true);
    assert.equal(await isGood('token-b'), false);
    await store.revokeToken('a', 'token-a');
    assert.equal(await isGood('token-a'), false);
  });

  it('still reads what is settled or expired', async () => {
    await using under = await start();
    const { store, clock } = under;
    await fill(store, ['1', '2']);
    await store.settle('a');
    const page = await store.read('a', { after: 1, limit: 9 });
    assert.equal(page?.state, 'settled');
    assert.deepEqual(sequences(page), [2]);
    await store.open(transaction('b', { ttlMs: 5 }));
    await store.append(message('b', 'm'));
    clock.advance(5);
    const expired = await store.read('b', { after: 0, limit: 9 });
    assert.equal(expired?.state, 'expired');
    assert.deepEqual(sequences(expired), [1]);
  });
}
