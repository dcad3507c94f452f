/** The store contract on events of webhooks: whom they reach, and that each is taken once. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Recipient, Store, StoredMessage } from '../../src/store/store.ts';
import { HANDLED_AT, LIMITS, TTL_MS, event, handled, isError, message, stored, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

const TO_A: Recipient = { transactionId: 'a' };
const TO_R: Recipient = { reference: 'r' };

async function messagesOf(store: Store, id: string): Promise<readonly StoredMessage[]> {
  return (await store.read(id, { after: 0, limit: 100 }))?.messages ?? assert.fail(`there is ${id}`);
}

export function receiveContract(start: Start): void {
  it('adds an event to the open transaction that it names, by id or by reference', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { reference: 'r' }));
    await store.append(message('a', 'm'));
    clock.advance(7);
    const data = '{"text":"\\u0000 é € 😀 \'\\"--","deep":[[1.0,-0,1e400]]}';
    const result = await store.receive(event('1', TO_A, { type: 'payment.paid', data }));
    const expected = {
      transactionId: 'a',
      id: 'message-1',
      sequence: 2,
      type: 'payment.paid',
      data,
      storedAt: clock.now(),
    };
    assert.deepEqual(result, { outcome: 'stored', message: expected });
    assert.equal(stored(await store.receive(event('2', TO_R))).sequence, 3);
    assert.equal(stored(await store.append(message('a', 'n'))).sequence, 4);
    const messages = await messagesOf(store, 'a');
    assert.deepEqual(messages[1], expected);
    assert.deepEqual(
      messages.map(({ id, type }) => [id, type]),
      [
        ['m', 'note'],
        ['message-1', 'payment.paid'],
        ['message-2', 'paid'],
        ['n', 'note'],
      ],
    );
  });

  it('gives its message a receipt and a name as any other has', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    const first = stored(await store.receive(event('1', TO_A)));
    await store.mark(handled('a', 1));
    assert.deepEqual(await store.receipt('a', 'message-1'), {
      id: 'message-1',
      sequence: 1,
      storedAt: clock.now(),
      transactionState: 'open',
      attempts: 0,
      handledAt: HANDLED_AT,
    });
    assert.deepEqual(await store.append({ ...message('a', 'message-1'), type: first.type, data: first.data }), {
      outcome: 'duplicate',
      message: first,
    });
    assert.equal((await store.append(message('a', 'message-1'))).outcome, 'conflict');
  });

  it('numbers appends and events in the order of the calls', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    const calls = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? store.append(message('a', `message-${index}`))
        : store.receive(event(`${index}`, index % 3 === 1 ? TO_A : TO_R)),
    );
    assert.deepEqual(
      (await Promise.all(calls)).map((result) => stored(result).sequence),
      calls.map((_, index) => index + 1),
    );
    assert.deepEqual(
      (await messagesOf(store, 'a')).map(({ id }) => id),
      calls.map((_, index) => `message-${index}`),
    );
  });

  it('keeps nothing of an event for an id that it does not know', async () => {
    await using under = await start();
    const { store } = under;
    assert.deepEqual(await store.receive(event('1', TO_A)), { outcome: 'unknown' });
    await store.open(transaction('a'));
    assert.deepEqual(await messagesOf(store, 'a'), []);
    assert.equal(stored(await store.receive(event('1', TO_A))).sequence, 1, 'it was not known');
    await store.forget('a');
    assert.deepEqual(await store.receive(event('2', TO_A)), { outcome: 'unknown' });
    await store.open(transaction('a'));
    assert.equal(stored(await store.receive(event('2', TO_A))).sequence, 1);
  });

  for (const [name, recipient] of [
    ['id', TO_A],
    ['reference', TO_R],
  ] as const) {
    for (const end of ['settled', 'expired'] as const) {
      it(`adds nothing to one found by ${name} that is ${end}, and knows the event from then on`, async () => {
        await using under = await start();
        const { store, clock } = under;
        await store.open(transaction('a', { reference: 'r' }));
        await store.append(message('a', 'm'));
        if (end === 'settled') await store.settle('a');
        else clock.advance(TTL_MS);
        assert.deepEqual(await store.receive(event('1', recipient)), { outcome: end });
        assert.deepEqual(await store.receive(event('1', recipient)), { outcome: 'duplicate' });
        assert.equal((await messagesOf(store, 'a')).length, 1);
        clock.advance(LIMITS.retentionMs);
        const forgotten = name === 'id' ? 'unknown' : 'parked';
        assert.deepEqual(await store.receive(event('2', recipient)), { outcome: forgotten }, 'until it is forgotten');
        assert.deepEqual(await store.receive(event('1', recipient)), { outcome: 'duplicate' });
      });
    }
  }

  it('means by a reference the open transaction, else the latest', async () => {
    await using under = await start({ retentionMs: 10 * TTL_MS });
    const { store, clock } = under;
    await store.open(transaction('a', { reference: 'r', ttlMs: 10 }));
    clock.advance(10);
    assert.deepEqual(await store.receive(event('1', TO_R)), { outcome: 'expired' });
    await store.open(transaction('b', { reference: 'r' }));
    await store.settle('b');
    assert.deepEqual(await store.receive(event('2', TO_R)), { outcome: 'settled' });
    await store.open(transaction('c', { reference: 'r', ttlMs: 5 }));
    assert.equal(stored(await store.receive(event('3', TO_R))).transactionId, 'c');
    clock.advance(5);
    assert.deepEqual(await store.receive(event('4', TO_R)), { outcome: 'expired' });
    await store.open(transaction('d', { reference: 'r' }));
    await store.settle('d');
    await store.open(transaction('e', { reference: 'r' }));
    await store.settle('e');
    await store.forget('e');
    assert.deepEqual(await store.receive(event('5', TO_R)), { outcome: 'settled' });
    await store.open(transaction('f', { reference: 'R' }));
    assert.deepEqual(await store.receive(event('6', TO_R)), { outcome: 'settled' }, 'which is another reference');
    for (const id of ['a', 'b', 'd', 'f']) assert.deepEqual(await messagesOf(store, id), [], id);
  });

  it('means the open one also when the clock was set back since another ended', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { reference: 'r' }));
    await store.settle('a');
    clock.advance(-100);
    await store.open(transaction('b', { reference: 'r', ttlMs: 50 }));
    assert.equal(stored(await store.receive(event('1', TO_R))).transactionId, 'b');
  });

  it('knows an event again, whatever its message says, and tells for which open transaction it is', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    stored(await store.receive(event('1', TO_R)));
    const again = event('1', TO_R, { id: 'other', type: 'other', data: '[]' });
    assert.deepEqual(await store.receive(again), { outcome: 'duplicate', transactionId: 'a' });
    assert.deepEqual(await store.receive({ ...again, recipient: TO_A }), { outcome: 'duplicate', transactionId: 'a' });
    assert.deepEqual(await store.receive({ ...again, recipient: { reference: 'x' } }), { outcome: 'duplicate' });
    assert.deepEqual(await store.receive({ ...again, recipient: { transactionId: 'x' } }), { outcome: 'duplicate' });
    assert.equal((await messagesOf(store, 'a')).length, 1);
    await store.settle('a');
    for (const recipient of [TO_A, TO_R]) {
      assert.deepEqual(await store.receive({ ...again, recipient }), { outcome: 'duplicate' }, 'none is open');
    }
    await store.open(transaction('b', { reference: 'r' }));
    assert.deepEqual(await store.receive(again), { outcome: 'duplicate', transactionId: 'b' }, 'the one it means now');
    assert.deepEqual(await messagesOf(store, 'b'), []);
  });

  it('knows it also when its transaction is forgotten', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    await store.receive(event('1', TO_A));
    await store.receive(event('2', TO_R));
    await store.forget('a');
    assert.deepEqual(await store.receive(event('1', TO_A)), { outcome: 'duplicate' });
    assert.deepEqual(await store.receive(event('2', TO_R)), { outcome: 'duplicate' });
    await store.open(transaction('b', { reference: 'r' }));
    assert.deepEqual(await messagesOf(store, 'b'), [], 'nothing was parked');
  });

  it('knows it for so long from when it came first, and no longer, also before it is swept', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { ttlMs: 1e9 }));
    await store.receive(event('1', TO_A));
    clock.advance(LIMITS.dedupeMs - 1);
    assert.equal((await store.receive(event('1', TO_A, { id: 'again' }))).outcome, 'duplicate');
    clock.advance(1);
    assert.equal(stored(await store.receive(event('1', TO_A, { id: 'again' }))).sequence, 2, 'a duplicate does not prolong it');
    assert.equal((await store.receive(event('1', TO_A, { id: 'third' }))).outcome, 'duplicate', 'known from now on');
    clock.advance(LIMITS.dedupeMs - 1);
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
    assert.equal((await store.receive(event('1', TO_A, { id: 'third' }))).outcome, 'duplicate', 'the sweep took what was old');
    clock.advance(1);
    assert.equal(stored(await store.receive(event('1', TO_A, { id: 'third' }))).sequence, 3);
  });

  it('sweeps events that are known no more in slices, and no others', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { ttlMs: 1e9 }));
    for (const name of ['1', '2', '3']) await store.receive(event(name, TO_A));
    clock.advance(1);
    await store.receive(event('4', TO_A));
    clock.advance(LIMITS.dedupeMs - 1);
    assert.equal((await store.sweep(2)).more, true);
    assert.equal((await store.sweep(1)).more, false);
    assert.equal((await store.sweep(1)).more, false);
    assert.equal((await store.receive(event('4', TO_A))).outcome, 'duplicate');
    clock.advance(1);
    assert.equal((await store.sweep(1)).more, false);
  });

  it('keeps nothing of an event for which the mailbox has no room', async () => {
    await using under = await start({ messagesPerTransaction: 2, mailboxBytes: 20 });
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    const large = event('1', TO_A, { data: '"1234567890123456789"' });
    const { length } = large.data;
    assert.equal(length, 21);
    for (const recipient of [TO_A, TO_R, TO_A]) {
      assert.deepEqual(await store.receive({ ...large, recipient }), { outcome: 'full', limit: 'mailboxBytes' });
    }
    assert.equal(stored(await store.receive({ ...large, data: '"é€"' })).sequence, 1, 'it was not known');
    assert.equal(stored(await store.receive(event('2', TO_R, { data: '"12345678901"' }))).sequence, 2, '7 bytes and 13');
    for (const recipient of [TO_A, TO_R]) {
      assert.deepEqual(await store.receive(event('3', recipient)), { outcome: 'full', limit: 'messagesPerTransaction' });
    }
    assert.equal((await store.receive(event('2', TO_R))).outcome, 'duplicate', 'it is looked at before the room');
    await store.settle('a');
    assert.equal((await store.receive(event('3', TO_R))).outcome, 'settled', 'it was not known');
  });

  it('refuses a message whose id is in use, and keeps nothing of its event', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a', { reference: 'r' }));
    await store.append({ ...message('a', 'm'), key: 'key' });
    for (const id of ['m', 'key']) {
      for (const recipient of [TO_A, TO_R]) {
        const results = await Promise.allSettled([
          store.append(message('a', `before ${id} ${Object.keys(recipient).join()}`)),
          store.receive(event('1', recipient, { id })),
          store.append(message('a', `after ${id} ${Object.keys(recipient).join()}`)),
        ]);
        assert.deepEqual(
          results.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
          'it fails alone',
        );
        assert.ok(results[1]?.status === 'rejected' && isError('internal_error')(results[1].reason));
      }
    }
    assert.equal(stored(await store.receive(event('1', TO_A))).sequence, 10, 'the event is new, and no sequence was burnt');
  });

  it('takes nothing after it was closed', async () => {
    const { store } = await start();
    await store.open(transaction('a'));
    const before = store.receive(event('1', TO_A));
    const closing = store[Symbol.asyncDispose]();
    await assert.rejects(store.receive(event('2', TO_A)), isError('store_unavailable'));
    assert.equal((await before).outcome, 'stored');
    await closing;
  });
}
