import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receipts } from '../../src/transactions/receipts.ts';
import type { Mark, MarkedPosition, Store } from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

test('deliveries of one instant are one mark, and each mark has the time of its deliveries', async () => {
  const clock = new ManualClock();
  const marks: Mark[] = [];
  const store: Pick<Store, 'mark'> = {
    mark: async (each) => {
      marks.push(...each.marks);
      return undefined;
    },
  };
  const receipts = new Receipts({ store, clock });
  const first = clock.now();
  receipts.delivered('txn_a', 1);
  receipts.delivered('txn_a', 2);
  clock.advance(10);
  receipts.delivered('txn_a', 3);
  receipts.delivered('txn_a', 7);
  await receipts.flush('txn_a');
  assert.deepEqual(marks, [
    { kind: 'delivered', from: 1, to: 2, at: first },
    { kind: 'delivered', from: 3, to: 3, at: first + 10 },
    { kind: 'delivered', from: 7, to: 7, at: first + 10 },
  ]);
  await receipts[Symbol.asyncDispose]();
});

test('other nodes are told of what was handled or has failed, after it was committed; of deliveries nobody is', async () => {
  const happened: string[] = [];
  let isAway = true;
  const store: Pick<Store, 'mark'> = {
    mark: async ({ transactionId }) => {
      if (isAway) throw new Error('away');
      happened.push(`${transactionId} committed`);
      return undefined;
    },
  };
  const backplane = { ring: (id: string, news?: unknown) => void happened.push(`${id} ${String(news)}`) };
  const receipts = new Receipts({ store, clock: new ManualClock(), backplane });
  receipts.delivered('txn_a', 1);
  receipts.delivered('txn_b', 1);
  receipts.handled('txn_b', { upTo: 1, except: [] });
  receipts.failed('txn_c', 1, 'no');
  const ids = ['txn_a', 'txn_b', 'txn_c'];
  for (const id of ids) await assert.rejects(receipts.flush(id));
  assert.deepEqual(happened, []);
  isAway = false;
  for (const id of ids) await receipts.flush(id);
  assert.deepEqual(happened, ['txn_a committed', 'txn_b committed', 'txn_b receipt', 'txn_c committed', 'txn_c receipt']);
  await receipts[Symbol.asyncDispose]();
});

/** A store whose writes of `txn_held` end when the test says so; how often each transaction was written, in order. */
class HoldingStore {
  readonly written: string[] = [];
  readonly #held: PromiseWithResolvers<MarkedPosition>[] = [];

  async mark({ transactionId, marks }: Parameters<Store['mark']>[0]): Promise<MarkedPosition> {
    this.written.push(
      `${transactionId} ${marks.map((mark) => (mark.kind === 'delivered' ? `${mark.from}-${mark.to}` : mark.kind)).join()}`,
    );
    if (transactionId !== 'txn_held') return undefined;
    const held = Promise.withResolvers<MarkedPosition>();
    this.#held.push(held);
    return held.promise;
  }

  end(error?: Error): void {
    const held = this.#held.shift() ?? assert.fail('nothing is held');
    if (error === undefined) held.resolve(undefined);
    else held.reject(error);
  }
}

test('marks of a transaction that is held keep those of no other waiting', async () => {
  const clock = new ManualClock();
  const store = new HoldingStore();
  const receipts = new Receipts({ store, clock });
  receipts.delivered('txn_held', 1);
  receipts.delivered('txn_a', 1);
  clock.advance(25);
  await receipts.flush('txn_a');
  receipts.handled('txn_a', { upTo: 1, except: [] });
  await receipts.flush('txn_a');
  receipts.delivered('txn_held', 2);
  clock.advance(25);
  assert.deepEqual(store.written, ['txn_held 1-1', 'txn_a 1-1', 'txn_a handled'], 'of one transaction one write at a time');
  const flushed = receipts.flush('txn_held');
  store.end();
  await settled();
  store.end();
  await flushed;
  assert.deepEqual(store.written.slice(3), ['txn_held 2-2']);
  await receipts[Symbol.asyncDispose]();
});

test('when one transaction cannot be written, its marks alone are written again, in their order, later each time', async () => {
  const clock = new ManualClock();
  const store = new HoldingStore();
  const receipts = new Receipts({ store, clock });
  receipts.delivered('txn_held', 1);
  receipts.delivered('txn_a', 1);
  clock.advance(25);
  await settled();
  receipts.delivered('txn_held', 5);
  const tries: string[][] = [];
  for (const waitMs of [250, 500, 1_000]) {
    store.written.splice(0);
    store.end(new Error('held'));
    await settled();
    receipts.delivered('txn_a', 2);
    clock.advance(waitMs - 1);
    await settled();
    assert.deepEqual(store.written, ['txn_a 2-2']);
    clock.advance(1);
    await settled();
    tries.push(store.written.slice(1));
  }
  const both = ['txn_held 1-1,5-5'];
  assert.deepEqual(tries, [both, both, both]);
  store.end();
  await receipts.flush('txn_held');
  await receipts[Symbol.asyncDispose]();
});

test('a page that acks without end has its marks written in parts; what fails is written again from there', async () => {
  const sizes: number[] = [];
  const upTo: number[] = [];
  const store: Pick<Store, 'mark'> = {
    mark: async ({ marks }) => {
      sizes.push(marks.length);
      if (sizes.length === 2) throw new Error('away');
      for (const mark of marks) if (mark.kind === 'handled') upTo.push(mark.upTo);
      return undefined;
    },
  };
  const receipts = new Receipts({ store, clock: new ManualClock() });
  const acks = Array.from({ length: 1_200 }, (_, index) => index + 1);
  for (const ack of acks) receipts.handled('txn_a', { upTo: ack, except: [] });
  await assert.rejects(receipts.flush('txn_a'));
  await receipts.flush('txn_a');
  assert.deepEqual(sizes, [512, 512, 512, 176]);
  assert.deepEqual(upTo, acks);
  await receipts[Symbol.asyncDispose]();
});

test('an ack that repeats the one before it is noted once, unless it has a reply', async () => {
  const marks: Mark[] = [];
  const store: Pick<Store, 'mark'> = { mark: async (each) => void marks.push(...each.marks) };
  const receipts = new Receipts({ store, clock: new ManualClock() });
  for (let time = 0; time < 3; time++) receipts.handled('txn_a', { upTo: 3, except: [1] });
  receipts.handled('txn_a', { upTo: 3, except: [1], reply: '"yes"' });
  receipts.handled('txn_a', { upTo: 3, except: [2] });
  receipts.handled('txn_a', { upTo: 4, except: [2] });
  await receipts.flush('txn_a');
  const said = marks.map((mark) => (mark.kind === 'handled' ? [mark.upTo, mark.except[0], mark.reply] : mark.kind));
  assert.deepEqual(said, [
    [3, 1, undefined],
    [3, 1, '"yes"'],
    [3, 2, undefined],
    [4, 2, undefined],
  ]);
  await receipts[Symbol.asyncDispose]();
});

/** What can be done without a clock is done. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
