/** The store contract on the life of a transaction: opening, ending, forgetting, and closing the store. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LIMITS, TTL_MS, assertForgotten, connection, handled, isError, message, stored, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

export function lifeContract(start: Start): void {
  it('creates a transaction with the time of its clock, open and empty', async () => {
    await using under = await start();
    const { store, clock } = under;
    const now = clock.now();
    assert.deepEqual(await store.open(transaction('a')), { outcome: 'opened', createdAt: now, expiresAt: now + TTL_MS });
    assert.deepEqual(await store.transaction('a'), {
      id: 'a',
      createdAt: now,
      expiresAt: now + TTL_MS,
      state: 'open',
      lastSequence: 0,
      ackedSequence: 0,
      connections: [],
    });
  });

  it('keeps reference, metadata and origin exactly as given', async () => {
    await using under = await start();
    const { store } = under;
    const metadata = '{"__proto__":{"a":"\\u0000é€😀"},"n":1.50}';
    await store.open(transaction('a', { reference: "order 'ü' \" ;--", metadata, anonymousOrigin: 'https://shop.example' }));
    const record = await store.transaction('a');
    assert.equal(record?.reference, "order 'ü' \" ;--");
    assert.equal(record.metadata, metadata);
    assert.equal(record.anonymousOrigin, 'https://shop.example');
  });

  it('answers a repeated open as the first time, and refuses another that claims the same id', async () => {
    await using under = await start();
    const { store, clock } = under;
    const first = await store.open(transaction('a', { reference: 'r' }));
    clock.advance(5);
    assert.deepEqual(await store.open(transaction('a', { reference: 'r' })), first);
    await assert.rejects(store.open(transaction('a', { token: { id: 'other', hash: 'other' } })), isError('internal_error'));
    assert.deepEqual(await store.findToken('hash-a'), { transactionId: 'a', tokenId: 'token-a' });
    assert.equal(await store.findToken('other'), undefined);
  });

  it('is open until the instant of its expiry', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    clock.advance(TTL_MS - 1);
    assert.equal((await store.transaction('a'))?.state, 'open');
    clock.advance(1);
    assert.equal((await store.transaction('a'))?.state, 'expired');
  });

  it('settles an open one, and changes nothing about one that has ended', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a'));
    await store.open(transaction('b', { ttlMs: 1 }));
    clock.advance(5);
    assert.equal(await store.settle('a'), 'settled');
    clock.advance(LIMITS.retentionMs - 1);
    assert.equal(await store.settle('a'), 'settled');
    clock.advance(1);
    assert.equal(await store.settle('a'), undefined, 'the second settle did not prolong it');
    assert.equal(await store.settle('b'), undefined);
    assert.equal(await store.settle('never'), undefined);
  });

  it('keeps one that has expired so when it is settled later', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { ttlMs: 10 }));
    clock.advance(10);
    assert.equal(await store.settle('a'), 'expired');
    assert.equal((await store.transaction('a'))?.state, 'expired');
  });

  it('stays settled beyond the time at which it would have expired', async () => {
    await using under = await start({ retentionMs: 10 * TTL_MS });
    const { store, clock } = under;
    await store.open(transaction('a'));
    await store.settle('a');
    clock.advance(2 * TTL_MS);
    assert.equal((await store.transaction('a'))?.state, 'settled');
  });

  for (const end of ['settled', 'expired'] as const) {
    it(`answers nothing of a ${end} one when the retention has passed, by any method`, async () => {
      await using under = await start();
      const { store, clock } = under;
      await store.open(transaction('a', { callback: { id: 'callback', hash: 'callback-hash' }, reference: 'r' }));
      await store.append(message('a', 'm'));
      await store.addTicket({ hash: 'ticket', transactionId: 'a', ttlMs: 1e9 });
      await store.addTicket({ hash: 'bound', transactionId: 'a', ttlMs: 1e9 });
      await store.bindTicket('bound', 'connection');
      if (end === 'settled') await store.settle('a');
      else clock.advance(TTL_MS);
      clock.advance(LIMITS.retentionMs - 1);
      assert.equal((await store.transaction('a'))?.state, end);
      assert.equal((await store.findTicket('bound'))?.connectionId, 'connection');
      clock.advance(1);
      await assertForgotten(store, 'a');
      assert.equal(await store.forget('a'), false);
      assert.deepEqual(await store.open(transaction('a', { reference: 'r' })), {
        outcome: 'opened',
        createdAt: clock.now(),
        expiresAt: clock.now() + TTL_MS,
      });
      assert.equal((await store.read('a', { after: 0, limit: 10 }))?.lastSequence, 0, 'as if it had never been');
    });
  }
}

export function openingLimitsContract(start: Start): void {
  it('gives a reference to one open transaction at a time', async () => {
    await using under = await start();
    const { store, clock } = under;
    await store.open(transaction('a', { reference: 'r' }));
    assert.deepEqual(await store.open(transaction('b', { reference: 'r' })), { outcome: 'reference_taken' });
    assert.equal(await store.transaction('b'), undefined);
    assert.equal(await store.findToken('hash-b'), undefined);
    assert.equal((await store.open(transaction('c', { reference: 'R' }))).outcome, 'opened');
    await store.settle('a');
    assert.equal((await store.open(transaction('d', { reference: 'r', ttlMs: 10 }))).outcome, 'opened');
    clock.advance(10);
    assert.equal((await store.open(transaction('e', { reference: 'r' }))).outcome, 'opened');
    await store.forget('e');
    assert.equal((await store.open(transaction('f', { reference: 'r' }))).outcome, 'opened');
  });

  it('lets one of two win that open with one reference at once', async () => {
    await using under = await start();
    const { store } = under;
    const results = await Promise.all(['a', 'b', 'c'].map((id) => store.open(transaction(id, { reference: 'r' }))));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['opened', 'reference_taken', 'reference_taken'],
    );
  });

  it('finds all of a reference that are not forgotten, newest first', async () => {
    await using under = await start();
    const { store, clock } = under;
    for (const id of ['old', 'middle', 'new']) {
      await store.open(transaction(id, { reference: 'r', metadata: `{"id":"${id}"}` }));
      await store.append(message(id, 'm'));
      if (id !== 'new') await store.settle(id);
      clock.advance(LIMITS.retentionMs / 2 - 1);
    }
    const found = await store.transactionsByReference('r');
    assert.deepEqual(
      found.map(({ id, state, lastSequence, metadata }) => [id, state, lastSequence, metadata]),
      [
        ['new', 'open', 1, '{"id":"new"}'],
        ['middle', 'settled', 1, '{"id":"middle"}'],
      ],
    );
    assert.deepEqual(await store.transactionsByReference('x'), []);
  });

  it('takes the later one as the newer of two from one millisecond', async () => {
    await using under = await start();
    const { store } = under;
    for (const id of ['z', 'y', 'x']) {
      await store.open(transaction(id, { reference: 'r' }));
      await store.settle(id);
    }
    assert.deepEqual(
      (await store.transactionsByReference('r')).map(({ id }) => id),
      ['x', 'y', 'z'],
    );
  });

  it('answers 100 of a reference at most', async () => {
    await using under = await start();
    const { store } = under;
    for (let index = 0; index < 102; index += 1) {
      await store.open(transaction(`t${index}`, { reference: 'r' }));
      await store.settle(`t${index}`);
    }
    const found = await store.transactionsByReference('r');
    assert.equal(found.length, 100);
    assert.equal(found[0]?.id, 't101');
    assert.equal(found[99]?.id, 't2');
  });

  it('is full at the limit, and has room again after settle, forget and expiry', async () => {
    await using under = await start({ openTransactions: 2 });
    const { store, clock } = under;
    const tryOpen = async (id: string, ttlMs = TTL_MS): Promise<string> => (await store.open(transaction(id, { ttlMs }))).outcome;
    assert.equal(await tryOpen('a'), 'opened');
    assert.equal(await tryOpen('b'), 'opened');
    assert.equal(await tryOpen('c'), 'full');
    assert.equal(await store.transaction('c'), undefined);
    assert.equal(await store.findToken('hash-c'), undefined);
    await store.settle('a');
    await store.settle('a');
    assert.equal(await tryOpen('d', 10), 'opened');
    assert.equal(await tryOpen('e'), 'full');
    await store.forget('b');
    assert.equal(await tryOpen('f', 20), 'opened');
    assert.equal(await tryOpen('g'), 'full');
    clock.advance(10);
    assert.equal(await tryOpen('h'), 'opened');
    assert.equal(await tryOpen('i'), 'full');
    await store.forget('d');
    assert.equal(await tryOpen('j'), 'full', 'd had ended before it was forgotten');
    clock.advance(10);
    await store.settle('f');
    assert.equal(await tryOpen('k'), 'opened');
    assert.equal(await tryOpen('l'), 'full');
  });

  it('counts exactly when many open at once', async () => {
    await using under = await start({ openTransactions: 5 });
    const { store } = under;
    const results = await Promise.all(Array.from({ length: 9 }, (_, index) => store.open(transaction(`t${index}`))));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      [...Array.from({ length: 5 }, () => 'opened'), ...Array.from({ length: 4 }, () => 'full')],
    );
  });
}

export function removalContract(start: Start): void {
  it('forgets a transaction with everything that belongs to it, and nothing else', async () => {
    await using under = await start();
    const { store } = under;
    for (const id of ['a', 'b', 'c']) {
      await store.open(transaction(id, { reference: `ref-${id}`, callback: { id: 'callback', hash: `callback-${id}` } }));
      await store.append({ ...message(id, 'm'), key: 'key' });
      await store.mark(handled(id, 1));
      await store.addTicket({ hash: `ticket-${id}`, transactionId: id, ttlMs: 1_000 });
      await store.saveConnections({ added: [connection(`connection-${id}`, id)], removed: [] });
    }
    assert.equal(await store.forget('b'), true);
    await assertForgotten(store, 'b', { ticket: 'ticket-b', callback: 'callback-b', token: 'hash-b', reference: 'ref-b' });
    assert.equal(await store.forget('b'), false);
    for (const id of ['a', 'c']) {
      assert.equal((await store.transaction(id))?.connections.length, 1);
      assert.equal((await store.receipt(id, 'm'))?.handledAt !== undefined, true);
      assert.equal((await store.findTicket(`ticket-${id}`))?.transactionId, id);
      assert.equal(await store.findCallback(`callback-${id}`), id);
    }
    assert.equal((await store.open(transaction('b', { reference: 'ref-b' }))).outcome, 'opened');
    assert.deepEqual((await store.transaction('b'))?.connections, []);
    assert.equal(stored(await store.append({ ...message('b', 'm'), key: 'key' })).sequence, 1);
    assert.equal((await store.receipt('b', 'm'))?.handledAt, undefined);
  });

  it('sweeps what is due, oldest first, in slices', async () => {
    await using under = await start();
    const { store, clock } = under;
    for (const id of ['a', 'b', 'c', 'd', 'e']) await store.open(transaction(id));
    for (const id of ['d', 'b', 'c']) {
      await store.settle(id);
      clock.advance(1);
    }
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
    clock.advance(LIMITS.retentionMs);
    await store.settle('a');
    assert.deepEqual(await store.sweep(2), { forgotten: ['d', 'b'], unclaimed: [], more: true });
    assert.deepEqual(await store.sweep(2), { forgotten: ['c'], unclaimed: [], more: false });
    assert.deepEqual(await store.sweep(2), { forgotten: [], unclaimed: [], more: false });
    clock.advance(LIMITS.retentionMs);
    assert.deepEqual(await store.sweep(1), { forgotten: ['a'], unclaimed: [], more: false });
    clock.advance(TTL_MS);
    assert.deepEqual(await store.sweep(1), { forgotten: ['e'], unclaimed: [], more: false });
    assert.deepEqual(await store.sweep(1), { forgotten: [], unclaimed: [], more: false });
  });
}

export function wholeContract(start: Start): void {
  it('resolves a check when it can write', async () => {
    await using under = await start();
    await under.store.check();
  });

  it('finishes what was asked before it closes, and takes nothing after', async () => {
    const { store } = await start();
    await store.open(transaction('a'));
    const before = store.append(message('a', 'm'));
    const closing = store[Symbol.asyncDispose]();
    const after = store.append(message('a', 'n'));
    await assert.rejects(after, isError('store_unavailable'));
    assert.equal((await before).outcome, 'stored');
    await closing;
    await store[Symbol.asyncDispose]();
    for (const call of [store.read('a', { after: 0, limit: 1 }), store.check(), store.sweep(1)]) {
      await assert.rejects(call, isError('store_unavailable'));
    }
  });

  it('keeps 10,000 messages of callers at once without a gap', async () => {
    await using under = await start();
    const { store } = under;
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await store.open(transaction(id));
    let next = 0;
    const call = async (): Promise<void> => {
      for (let index = next++; index < 10_000; index = next++) {
        const id = ids[index % ids.length] ?? assert.fail();
        const { sequence } = stored(await store.append({ ...message(id, `m${index}`), key: `k${index}` }));
        if (index % 7 === 0) await store.mark(handled(id, sequence));
      }
    };
    await Promise.all(Array.from({ length: 64 }, call));
    for (const id of ids) {
      const seen: number[] = [];
      for (;;) {
        const page = await store.read(id, { after: seen.length, limit: 1_000 });
        if (page === undefined || page.messages.length === 0) break;
        seen.push(...page.messages.map(({ sequence }) => sequence));
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 2_500 }, (_, index) => index + 1),
      );
    }
  });
}
