/** The store contract on messages that come before their transaction. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { IncomingEvent, Store, StoredMessage } from '../../src/store/store.ts';
import { LIMITS, event, handled, isError, message, stored, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

const PARKED = { outcome: 'parked' } as const;

function to(reference: string, name: string, more: Partial<IncomingEvent> = {}): IncomingEvent {
  return event(name, { reference }, more);
}

async function messagesOf(store: Store, id: string): Promise<readonly StoredMessage[]> {
  return (await store.read(id, { after: 0, limit: 1_000 }))?.messages ?? assert.fail(`there is ${id}`);
}

/** Opens a transaction and tells what it begins with. */
async function openedWith(store: Store, id: string, reference: string): Promise<readonly string[]> {
  assert.equal((await store.open(transaction(id, { reference }))).outcome, 'opened');
  return (await messagesOf(store, id)).map(({ id: each }) => each);
}

export function parkingContract(start: Start): void {
  it('keeps what comes before its transaction, which begins with it in the order and with the times of arrival', async () => {
    await using under = await start();
    const { store, clock } = under;
    const arrivals: number[] = [];
    const data = '{"text":"\\u0000 é € 😀 \'\\"--","deep":[[1.0,-0,1e400]]}';
    for (const [name, source] of [
      ['c', 'acme'],
      ['a', 'other'],
      ['b', 'acme'],
    ] as const) {
      assert.deepEqual(await store.receive(to('r', name, { source, type: `type-${name}`, data })), PARKED);
      arrivals.push(clock.now());
      clock.advance(5);
    }
    await store.open(transaction('a', { reference: 'r' }));
    assert.deepEqual(
      await messagesOf(store, 'a'),
      ['c', 'a', 'b'].map((name, index) => ({
        transactionId: 'a',
        id: `message-${name}`,
        sequence: index + 1,
        type: `type-${name}`,
        data,
        storedAt: arrivals[index],
      })),
    );
    assert.equal(stored(await store.append(message('a', 'm'))).sequence, 4);
    assert.equal(stored(await store.receive(to('r', 'd'))).sequence, 5);
    assert.equal((await store.transaction('a'))?.lastSequence, 5);
  });

  it('gives what was parked receipts and names as any other message has', async () => {
    await using under = await start();
    const { store, clock } = under;
    for (const name of ['1', '2']) await store.receive(to('r', name));
    const storedAt = clock.now();
    clock.advance(100);
    await store.open(transaction('a', { reference: 'r' }));
    const receipt = { id: 'message-2', sequence: 2, storedAt, transactionState: 'open', attempts: 0 };
    assert.deepEqual(await store.receipt('a', 'message-2'), receipt);
    const at = clock.now();
    await store.mark({ transactionId: 'a', marks: [{ kind: 'delivered', from: 1, to: 2, at }] });
    assert.deepEqual(await store.mark(handled('a', 1)), { lastSequence: 2, ackedSequence: 1 });
    assert.deepEqual(await store.receipt('a', 'message-2'), { ...receipt, attempts: 1, deliveredAt: at });
    assert.equal((await store.append({ ...message('a', 'message-1'), type: 'paid', data: '"1"' })).outcome, 'duplicate');
    assert.equal((await store.append(message('a', 'message-1'))).outcome, 'conflict');
    await assert.rejects(store.receive(to('r', '3', { id: 'message-1' })), isError('internal_error'));
  });

  it('knows the event of a parked message again', async () => {
    await using under = await start();
    const { store } = under;
    assert.deepEqual(await store.receive(to('r', '1')), PARKED);
    assert.deepEqual(await store.receive(to('r', '1', { id: 'other' })), { outcome: 'duplicate' });
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-1']);
    assert.deepEqual(await store.receive(to('r', '1', { id: 'other' })), { outcome: 'duplicate', transactionId: 'a' });
    assert.equal((await messagesOf(store, 'a')).length, 1);
  });

  it('gives each reference its own, and one without a reference nothing', async () => {
    await using under = await start();
    const { store } = under;
    for (const reference of ['r', 'R', 'r ', "'ü' \" ;--", 'rr']) await store.receive(to(reference, reference));
    await store.open(transaction('none'));
    assert.deepEqual(await messagesOf(store, 'none'), []);
    assert.deepEqual(await openedWith(store, 'x', 'x'), []);
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-r']);
    assert.deepEqual(await openedWith(store, 'b', "'ü' \" ;--"), ["message-'ü' \" ;--"]);
    assert.deepEqual(await openedWith(store, 'c', 'R'), ['message-R']);
    assert.deepEqual(await openedWith(store, 'd', 'r '), ['message-r ']);
  });

  it('gives it once: neither to a repeated open nor to the next of that reference', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.receive(to('r', '1'));
    const first = await store.open(transaction('a', { reference: 'r' }));
    clock.advance(1);
    assert.deepEqual(await store.open(transaction('a', { reference: 'r' })), first);
    assert.equal((await messagesOf(store, 'a')).length, 1);
    await store.settle('a');
    assert.deepEqual(await openedWith(store, 'b', 'r'), []);
    await store.forget('b');
    await store.forget('a');
    assert.deepEqual(await openedWith(store, 'a', 'r'), [], 'as if it had never been');
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
  });

  it('leaves it where it is when the transaction is not opened', async () => {
    await using under = await start({ openTransactions: 1 });
    const { store } = under;
    await store.receive(to('r', '1'));
    await store.open(transaction('x'));
    assert.deepEqual(await store.open(transaction('a', { reference: 'r' })), { outcome: 'full' });
    await store.settle('x');
    const claimed = transaction('a', { reference: 'r', token: { id: 'token', hash: 'hash-x' } });
    await assert.rejects(store.open(claimed), isError('internal_error'));
    assert.deepEqual(await store.receive(to('r', '2')), PARKED);
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-1', 'message-2']);
    assert.deepEqual(await store.open(transaction('b', { reference: 'r' })), { outcome: 'reference_taken' });
    assert.equal((await messagesOf(store, 'a')).length, 2);
  });

  it('keeps it for the next one while transactions of that reference are forgotten', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { reference: 'r', ttlMs: 10 }));
    clock.advance(10 + LIMITS.retentionMs);
    assert.deepEqual(await store.receive(to('r', '1')), PARKED, 'before the sweep');
    await store.sweep(10);
    assert.deepEqual(await openedWith(store, 'b', 'r'), ['message-1']);
    await store.forget('b');
    assert.deepEqual(await store.receive(to('r', '2')), PARKED);
    assert.deepEqual(await openedWith(store, 'c', 'r'), ['message-2']);
  });

  it('refuses a message whose id is parked under the same reference, and keeps nothing of its event', async () => {
    await using under = await start();
    const { store } = under;
    await store.receive(to('r', '1'));
    const results = await Promise.allSettled([
      store.receive(to('r', '2')),
      store.receive(to('r', '3', { id: 'message-1' })),
      store.receive(to('s', '4', { id: 'message-1' })),
      store.receive(to('r', '5')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      'it fails alone',
    );
    assert.ok(results[1]?.status === 'rejected' && isError('internal_error')(results[1].reason));
    assert.deepEqual(await store.receive(to('r', '3')), PARKED, 'the event is new');
    assert.deepEqual(
      await openedWith(store, 'a', 'r'),
      ['1', '2', '5', '3'].map((name) => `message-${name}`),
    );
    assert.deepEqual(await openedWith(store, 'b', 's'), ['message-1']);
  });
}

export function parkingLimitsContract(start: Start): void {
  it('drops what nobody came for in time, tells of it once, and still knows its event', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.receive(to('r', '1'));
    await store.receive(to('s', '2', { source: 'other' }));
    clock.advance(LIMITS.parkMs - 1);
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-1'], 'still in time');
    clock.advance(1);
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: ['other'], more: false });
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
    assert.deepEqual(await openedWith(store, 'b', 's'), []);
    assert.deepEqual(await store.receive(to('s', '2')), { outcome: 'duplicate', transactionId: 'b' });
    assert.equal((await messagesOf(store, 'a')).length, 1, 'what was claimed stays');
  });

  it('counts as gone what is late, before the sweep has taken it', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.receive(to('r', '1'));
    await store.receive(to('s', '2'));
    clock.advance(10);
    await store.receive(to('r', '3'));
    await store.receive(to('r', '4'));
    clock.advance(LIMITS.parkMs - 10);
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-3', 'message-4']);
    assert.deepEqual(
      (await messagesOf(store, 'a')).map(({ sequence }) => sequence),
      [1, 2],
    );
    assert.deepEqual(await openedWith(store, 'b', 's'), []);
    assert.deepEqual(await store.receive(to('r', '1')), { outcome: 'duplicate', transactionId: 'a' });
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: ['acme', 'acme'], more: false });
    assert.equal((await messagesOf(store, 'a')).length, 2);
  });

  it('sweeps each kind in slices, the oldest first', async () => {
    await using under = await start({ parkMs: LIMITS.dedupeMs, retentionMs: LIMITS.dedupeMs });
    const { store, clock } = under;
    for (const name of ['1', '2', '3']) {
      await store.receive(to('r', name, { source: `source-${name}` }));
      await store.open(transaction(name));
      await store.settle(name);
      clock.advance(1);
    }
    clock.advance(LIMITS.dedupeMs);
    assert.deepEqual(await store.sweep(2), { forgotten: ['1', '2'], unclaimed: ['source-1', 'source-2'], more: true });
    assert.deepEqual(await store.sweep(2), { forgotten: ['3'], unclaimed: ['source-3'], more: false });
    for (const name of ['1', '2', '3']) assert.deepEqual(await store.receive(to('r', name)), PARKED, 'known no more');
    clock.advance(LIMITS.dedupeMs);
    assert.deepEqual(await store.sweep(3), { forgotten: [], unclaimed: ['acme', 'acme', 'acme'], more: false });
  });

  it('says that there is more when any kind has more', async () => {
    await using under = await start({ dedupeMs: 1e9 });
    const { store, clock } = under;
    for (const name of ['1', '2', '3']) await store.receive(to('r', name));
    clock.advance(LIMITS.parkMs);
    assert.deepEqual(await store.sweep(2), { forgotten: [], unclaimed: ['acme', 'acme'], more: true });
    assert.deepEqual(await store.sweep(1), { forgotten: [], unclaimed: ['acme'], more: false });
  });

  it('parks no more under a reference than its mailbox will hold, from all sources together', async () => {
    await using under = await start({ messagesPerTransaction: 2 });
    const { store, clock } = under;
    const full = { outcome: 'full', limit: 'messagesPerTransaction' } as const;
    assert.deepEqual(await store.receive(to('r', '1')), PARKED);
    clock.advance(10);
    assert.deepEqual(await store.receive(to('r', '2', { source: 'other' })), PARKED);
    assert.deepEqual(await store.receive(to('r', '3')), full);
    assert.deepEqual(await store.receive(to('r', '3')), full, 'its event was not kept');
    assert.deepEqual(await store.receive(to('s', '4')), PARKED, 'each has room of its own');
    clock.advance(LIMITS.parkMs - 10);
    assert.deepEqual(await store.receive(to('r', '3')), PARKED, 'the first is gone');
    assert.deepEqual(await store.receive(to('r', '5')), full);
    await store.sweep(10);
    assert.deepEqual(await store.receive(to('r', '5')), full);
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-2', 'message-3']);
    assert.deepEqual(await store.receive(to('r', '5')), full);
  });

  it('counts the bytes of what is parked as its mailbox will', async () => {
    await using under = await start({ mailboxBytes: 10 });
    const { store, clock } = under;
    const full = { outcome: 'full', limit: 'mailboxBytes' } as const;
    assert.deepEqual(await store.receive(to('r', '1', { data: '"€"' })), PARKED);
    clock.advance(10);
    assert.deepEqual(await store.receive(to('r', '2', { data: '123456' })), full);
    assert.deepEqual(await store.receive(to('r', '2', { data: '1234' })), PARKED);
    assert.deepEqual(await store.receive(to('r', '3', { data: '12' })), full);
    clock.advance(LIMITS.parkMs - 10);
    assert.deepEqual(await store.receive(to('r', '3', { data: '1234567' })), full, 'only the first is gone');
    assert.deepEqual(await store.receive(to('r', '3', { data: '12345' })), PARKED);
    await store.sweep(10);
    assert.deepEqual(await store.receive(to('r', '4', { data: '12' })), full);
    assert.deepEqual(await openedWith(store, 'a', 'r'), ['message-2', 'message-3']);
    assert.deepEqual(await store.append({ ...message('a', 'm'), data: '12' }), full);
    assert.equal(stored(await store.append({ ...message('a', 'm'), data: '1' })).sequence, 3);
    assert.deepEqual(await store.receive(to('r', '4', { data: '1' })), full);
  });

  it('begins anew with a reference of which all is gone or claimed', async () => {
    await using under = await start({ messagesPerTransaction: 2, mailboxBytes: 8, retentionMs: 1 });
    const { store, clock } = under;
    for (const round of ['1', '2', '3']) {
      for (const name of ['a', 'b']) assert.deepEqual(await store.receive(to('r', name + round, { data: '1234' })), PARKED);
      assert.deepEqual((await store.receive(to('r', `c${round}`))).outcome, 'full');
      if (round === '1') clock.advance(LIMITS.parkMs);
      else assert.deepEqual(await openedWith(store, round, 'r'), [`message-a${round}`, `message-b${round}`]);
      await store.settle(round);
      clock.advance(1);
    }
  });

  it('parks so many in all, and has room again when some are claimed, late or swept', async () => {
    await using under = await start({ parkedMessages: 3 });
    const { store, clock } = under;
    const full = { outcome: 'full', limit: 'parkedMessages' } as const;
    for (const name of ['1', '2', '3']) {
      assert.deepEqual(await store.receive(to(name, name)), PARKED);
      clock.advance(10);
    }
    assert.deepEqual(await store.receive(to('4', '4')), full);
    assert.deepEqual(await store.receive(to('4', '4')), full, 'its event was not kept');
    assert.deepEqual(await openedWith(store, 'b', '2'), ['message-2']);
    assert.deepEqual(await store.receive(to('4', '4')), PARKED);
    assert.deepEqual(await store.receive(to('5', '5')), full);
    assert.equal(stored(await store.receive(to('2', '6'))).sequence, 2, 'what has its transaction is not parked');
    clock.advance(LIMITS.parkMs - 30);
    assert.deepEqual(await store.receive(to('5', '5')), PARKED, 'one is late');
    assert.deepEqual(await store.receive(to('7', '7')), full);
    await store.sweep(10);
    assert.deepEqual(await store.receive(to('7', '7')), full, 'it was counted as gone already');
    clock.advance(LIMITS.parkMs);
    await store.sweep(1);
    for (const name of ['7', '8', '9']) assert.deepEqual(await store.receive(to(name, name)), PARKED);
    assert.deepEqual(await store.receive(to('10', '10')), full);
  });

  it('names the limit of the mailbox where both are reached', async () => {
    await using under = await start({ parkedMessages: 1, messagesPerTransaction: 1 });
    const { store } = under;
    await store.receive(to('r', '1'));
    assert.deepEqual(await store.receive(to('r', '2')), { outcome: 'full', limit: 'messagesPerTransaction' });
    assert.deepEqual(await store.receive(to('s', '2')), { outcome: 'full', limit: 'parkedMessages' });
  });
}
