/** The store contract on marks and receipts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Mark, Receipt, Store } from '../../src/store/store.ts';
import { HANDLED_AT, handled, message, transaction } from './store-subject.ts';
import type { Start, StoreUnderTest } from './store-subject.ts';

export function markContract(start: Start): void {
  const prepare = async (count: number): Promise<StoreUnderTest> => {
    const under = await start();
    await under.store.open(transaction('a'));
    await Promise.all(Array.from({ length: count }, (_, index) => under.store.append(message('a', `m${index + 1}`))));
    return under;
  };
  const at = (ms: number): number => HANDLED_AT + ms;
  const mark = (store: Store, ...marks: Mark[]): Promise<unknown> => store.mark({ transactionId: 'a', marks });
  const receipt = async (store: Store, sequence: number): Promise<Receipt> =>
    (await store.receipt('a', `m${sequence}`)) ?? assert.fail('no receipt');
  const delivered = (from: number, to: number, ms: number): Mark => ({ kind: 'delivered', from, to, at: at(ms) });
  const failed = (sequence: number, error: string, ms: number): Mark => ({ kind: 'failed', sequence, error, at: at(ms) });
  const handledMark = (upTo: number, ms: number, more: { except?: number[]; reply?: string } = {}): Mark => ({
    kind: 'handled',
    upTo,
    except: [],
    at: at(ms),
    ...more,
  });

  it('knows of a message that it was stored, and nothing else at first', async () => {
    await using under = await prepare(1);
    const { store, clock } = under;
    assert.deepEqual(await receipt(store, 1), {
      id: 'm1',
      sequence: 1,
      storedAt: clock.now(),
      transactionState: 'open',
      attempts: 0,
    });
    assert.equal(await store.receipt('a', 'm2'), undefined);
    assert.equal(await store.receipt('b', 'm1'), undefined);
    await store.settle('a');
    assert.equal((await receipt(store, 1)).transactionState, 'settled');
  });

  it('finds a receipt by the id of a message, not by its key', async () => {
    await using under = await prepare(0);
    await under.store.append({ ...message('a', 'id'), key: 'key' });
    assert.equal((await under.store.receipt('a', 'id'))?.sequence, 1);
    assert.equal(await under.store.receipt('a', 'key'), undefined);
  });

  it('counts deliveries and keeps the time of the first', async () => {
    await using under = await prepare(3);
    const { store } = under;
    assert.deepEqual(await mark(store, delivered(1, 2, 10)), { lastSequence: 3, ackedSequence: 0 });
    await mark(store, delivered(2, 3, 20), delivered(2, 2, 30));
    const facts = [];
    for (const sequence of [1, 2, 3]) {
      const { attempts, deliveredAt } = await receipt(store, sequence);
      facts.push([attempts, deliveredAt]);
    }
    assert.deepEqual(facts, [
      [1, at(10)],
      [3, at(10)],
      [1, at(20)],
    ]);
  });

  it('applies a mark beyond the last sequence to what exists', async () => {
    await using under = await prepare(2);
    const { store } = under;
    assert.deepEqual(await mark(store, delivered(2, 9, 1), failed(7, 'e', 2), handledMark(5, 3, { reply: '1' })), {
      lastSequence: 2,
      ackedSequence: 2,
    });
    assert.deepEqual(
      [(await receipt(store, 1)).handledAt, (await receipt(store, 2)).handledAt, (await receipt(store, 2)).attempts],
      [at(3), at(3), 1],
    );
    assert.equal((await receipt(store, 2)).reply, undefined, 'the reply was that of message 5');
    await store.append(message('a', 'm3'));
    assert.deepEqual(await mark(store), { lastSequence: 3, ackedSequence: 2 }, 'what came later was not meant');
    assert.equal((await receipt(store, 3)).attempts, 0);
  });

  it('handles everything up to a sequence; the reply is that of the sequence itself', async () => {
    await using under = await prepare(4);
    const { store } = under;
    assert.deepEqual(await mark(store, handledMark(3, 10, { reply: '{"ok":true}' })), { lastSequence: 4, ackedSequence: 3 });
    for (const sequence of [1, 2, 3]) {
      const { handledAt, reply } = await receipt(store, sequence);
      assert.deepEqual([handledAt, reply], [at(10), sequence === 3 ? '{"ok":true}' : undefined]);
    }
    assert.equal((await receipt(store, 4)).handledAt, undefined);
  });

  it('leaves out what is excepted, and acknowledges no further than that', async () => {
    await using under = await prepare(6);
    const { store } = under;
    assert.deepEqual(await mark(store, handledMark(5, 10, { except: [2, 4] })), { lastSequence: 6, ackedSequence: 1 });
    assert.equal((await receipt(store, 2)).handledAt, undefined);
    assert.deepEqual(await mark(store, failed(2, 'no', 20)), { lastSequence: 6, ackedSequence: 3 });
    assert.deepEqual(await mark(store, handledMark(4, 30)), { lastSequence: 6, ackedSequence: 5 });
    assert.equal((await receipt(store, 5)).handledAt, at(10));
    assert.deepEqual(await mark(store, handledMark(6, 40)), { lastSequence: 6, ackedSequence: 6 });
  });

  it('takes the message itself as handled even where it is among the excepted', async () => {
    await using under = await prepare(2);
    await mark(under.store, handledMark(2, 1, { except: [1, 2] }));
    assert.equal((await receipt(under.store, 2)).handledAt, at(1));
    assert.equal((await receipt(under.store, 1)).handledAt, undefined);
  });

  it('lets a failed one be handled only by a mark of exactly it', async () => {
    await using under = await prepare(3);
    const { store } = under;
    assert.deepEqual(await mark(store, failed(1, 'first', 10)), { lastSequence: 3, ackedSequence: 1 });
    await mark(store, failed(1, 'second', 20), handledMark(2, 30));
    const failure = await receipt(store, 1);
    assert.deepEqual([failure.failedAt, failure.error, failure.handledAt], [at(10), 'first', undefined]);
    assert.equal((await receipt(store, 2)).handledAt, at(30));
    assert.deepEqual(await mark(store, handledMark(1, 40, { reply: '"late"' })), { lastSequence: 3, ackedSequence: 2 });
    const success = await receipt(store, 1);
    assert.deepEqual(
      [success.handledAt, success.reply, success.failedAt, success.error],
      [at(40), '"late"', undefined, undefined],
    );
  });

  it('never changes a handled one', async () => {
    await using under = await prepare(2);
    const { store } = under;
    await mark(store, handledMark(1, 10, { reply: '1' }));
    await mark(store, handledMark(1, 20, { reply: '2' }), failed(1, 'no', 30), handledMark(2, 40, { reply: '3' }));
    const { handledAt, reply, failedAt, error } = await receipt(store, 1);
    assert.deepEqual([handledAt, reply, failedAt, error], [at(10), '1', undefined, undefined]);
    await mark(store, delivered(1, 1, 50));
    const { attempts, deliveredAt = NaN } = await receipt(store, 1);
    assert.equal(attempts, 1);
    // Where nodes share a store their reports cross: what was handled had been delivered, whoever says it later.
    assert.ok([at(10), at(50)].includes(deliveredAt), `delivered at ${deliveredAt}`);
  });

  it('applies the marks of one call in order', async () => {
    await using under = await prepare(3);
    const { store } = under;
    await mark(
      store,
      delivered(1, 3, 1),
      failed(2, 'no', 2),
      handledMark(3, 3, { reply: '3' }),
      handledMark(2, 4, { reply: '2' }),
      failed(2, 'again', 5),
      handledMark(1, 6, { reply: '1' }),
    );
    const facts = [];
    for (const sequence of [1, 2, 3]) {
      const { attempts, handledAt, failedAt, reply } = await receipt(store, sequence);
      facts.push([attempts, handledAt, failedAt, reply]);
    }
    assert.deepEqual(facts, [
      [1, at(3), undefined, undefined],
      [1, at(4), undefined, '2'],
      [1, at(3), undefined, '3'],
    ]);
  });

  it('does the same with marks at once as with one at a time', async () => {
    await using together = await prepare(8);
    await using apart = await prepare(8);
    const random = pseudoRandom(7);
    const upTo9 = (): number => 1 + random(9);
    const marks = Array.from({ length: 300 }, (_, index): Mark => {
      const [one, other] = [upTo9(), upTo9()];
      if (index % 3 === 0) return delivered(Math.min(one, other), Math.max(one, other), index);
      if (index % 3 === 1) return failed(one, `e${index}`, index);
      return handledMark(one, index, random(2) === 0 ? { except: [other, upTo9()] } : { reply: `${index}` });
    });
    // Few at a time, so that the states in between are compared too and not only the last, in which all is handled.
    for (let begin = 0; begin < marks.length; begin += 5) {
      const some = marks.slice(begin, begin + 5);
      const last = await mark(together.store, ...some);
      let position: unknown;
      for (const each of some) position = await mark(apart.store, each);
      assert.deepEqual(last, position);
      for (let sequence = 1; sequence <= 8; sequence += 1) {
        assert.deepEqual(await receipt(together.store, sequence), await receipt(apart.store, sequence));
      }
    }
  });

  it('takes hundreds of marks of one transaction in one call', async () => {
    await using under = await prepare(500);
    const { store } = under;
    const marks = Array.from({ length: 500 }, (_, index) => [
      delivered(index + 1, index + 1, index),
      handledMark(index + 1, index),
    ]);
    assert.deepEqual(await mark(store, ...marks.flat()), { lastSequence: 500, ackedSequence: 500 });
    assert.deepEqual((await receipt(store, 257)).handledAt, at(256));
  });

  it('answers each call of many at once by itself, in their order: where it stands, or undefined for what is unknown', async () => {
    await using under = await prepare(2);
    const { store } = under;
    await store.open(transaction('b'));
    const calls = [handled('a', 1), handled('never', 1), handled('b', 1), handled('a', 2)];
    const positions = await Promise.all(calls.map((each) => store.mark(each)));
    assert.deepEqual(positions, [
      { lastSequence: 2, ackedSequence: 1 },
      undefined,
      { lastSequence: 0, ackedSequence: 0 },
      { lastSequence: 2, ackedSequence: 2 },
    ]);
    assert.deepEqual(await mark(store), { lastSequence: 2, ackedSequence: 2 }, 'of no marks');
  });

  it('takes marks after settle and expiry', async () => {
    await using under = await prepare(2);
    const { store, clock } = under;
    await store.settle('a');
    assert.deepEqual(await mark(store, handledMark(1, 1)), { lastSequence: 2, ackedSequence: 1 });
    await store.open(transaction('b', { ttlMs: 5 }));
    await store.append(message('b', 'm'));
    clock.advance(5);
    assert.deepEqual(await store.mark(handled('b', 1)), { lastSequence: 1, ackedSequence: 1 });
  });
}

/** The same numbers in every run: 0 … below - 1. */
function pseudoRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}
