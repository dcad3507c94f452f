/** The store contract on versions: by which one who only looks now and then learns that there is something to see. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Mark, Store } from '../../src/store/store.ts';
import { HANDLED_AT, LIMITS, TTL_MS, event, handled, message, transaction } from './store-subject.ts';
import type { Start } from './store-subject.ts';

export function versionContract(start: Start): void {
  const version = async (store: Store, id = 'a'): Promise<number | undefined> => (await store.versions([id]))[0];

  it('is another one after everything that somebody could see, and of no other transaction', async () => {
    await using under = await start();
    const { store } = under;
    for (const id of ['a', 'b']) await store.open(transaction(id, { reference: `ref-${id}` }));
    const seen = new Set([await version(store)]);
    const other = await version(store, 'b');
    const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['a message', () => store.append(message('a', 'm'))],
      ['an event by id', () => store.receive(event('1', { transactionId: 'a' }))],
      ['an event by reference', () => store.receive(event('2', { reference: 'ref-a' }))],
      ['a delivery', () => mark(store, { kind: 'delivered', from: 1, to: 2, at: HANDLED_AT })],
      ['a failure', () => mark(store, { kind: 'failed', sequence: 2, error: 'no', at: HANDLED_AT })],
      ['an ack that leaves a gap', () => mark(store, { kind: 'handled', upTo: 3, except: [1], at: HANDLED_AT })],
      ['an ack', () => store.mark(handled('a', 1))],
      ['an ack of one that had failed', () => store.mark(handled('a', 2))],
      ['a revocation', () => store.revokeToken('a', 'token-a')],
      ['settling', () => store.settle('a')],
    ];
    for (const [what, change] of changes) {
      await change();
      const now = await version(store);
      assert.ok(now !== undefined && Number.isSafeInteger(now), what);
      assert.ok(!seen.has(now), what);
      seen.add(now);
      assert.equal(await version(store), now, `${what}, and then nothing`);
    }
    assert.equal(await version(store, 'b'), other);
  });

  it('is the same after what nobody could see', async () => {
    await using under = await start();
    const { store } = under;
    await store.open(transaction('a'));
    await store.append({ ...message('a', 'm'), key: 'key' });
    const before = await version(store);
    await store.append({ ...message('a', 'm'), key: 'key' });
    await store.append({ ...message('a', 'm'), data: '2' });
    await store.read('a', { after: 0, limit: 9 });
    await store.addTicket({ hash: 'ticket', transactionId: 'a', ttlMs: 10 });
    assert.equal(await version(store), before);
  });

  it('answers for many in their order, and undefined for those that are unknown or forgotten', async () => {
    await using under = await start();
    const { store, clock } = under;
    assert.deepEqual(await store.versions([]), []);
    for (const id of ['a', 'b', 'c']) await store.open(transaction(id));
    const one = async (id: string): Promise<number | undefined> => version(store, id);
    const expected = [await one('c'), undefined, await one('a'), await one('b'), await one('a')];
    assert.deepEqual(await store.versions(['c', 'never', 'a', 'b', 'a']), expected);
    const before = await version(store);
    await store.forget('a');
    assert.equal(await version(store), undefined);
    await store.open(transaction('a'));
    assert.notEqual(await version(store), before, 'it is another one');
    clock.advance(TTL_MS);
    assert.notEqual(await version(store), undefined, 'expired, and still there');
    clock.advance(LIMITS.retentionMs);
    assert.deepEqual(await store.versions(['a', 'b', 'c']), [undefined, undefined, undefined], 'before any sweep');
  });
}

function mark(store: Store, mark: Mark): Promise<unknown> {
  return store.mark({ transactionId: 'a', marks: [mark] });
}
