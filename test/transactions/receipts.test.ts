import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Receipts } from '../../src/transactions/receipts.ts';
import type { Mark, Store } from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

test('deliveries of one instant are one mark, and each mark has the time of its deliveries', async () => {
  const clock = new ManualClock();
  const marks: Mark[] = [];
  const store: Pick<Store, 'mark'> = {
    mark: async (all) => {
      marks.push(...all.flatMap((each) => each.marks));
      return all.map(() => undefined);
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
