/** The sweeper: when it asks the store, and whom it tells what was removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SweepResult } from '../../src/store/store.ts';
import { Sweeper } from '../../src/transactions/sweeper.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

const NOTHING: SweepResult = { forgotten: [], unclaimed: [], more: false };

/** A sweeper on a store that answers as planned, and what it did. */
class Scene implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly slices: number[] = [];
  readonly told: unknown[] = [];
  readonly #sweeper: Sweeper;

  constructor(plan: readonly (SweepResult | Error)[]) {
    const note = (level: string) => (fields: object) => void this.told.push([level, fields]);
    this.#sweeper = new Sweeper({
      store: {
        sweep: async (limit) => {
          const answer = plan[this.slices.push(limit) - 1] ?? NOTHING;
          if (answer instanceof Error) throw answer;
          return answer;
        },
      },
      backplane: { ring: (id) => void this.told.push(`ring ${id}`) },
      clock: this.clock,
      logger: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
      onUnclaimed: (source, count) => void this.told.push(`unclaimed ${source} ${count}`),
    });
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sweeper[Symbol.asyncDispose]();
    assert.equal(this.clock.pendingCount, 0);
  }
}

test('sweeps once a second, and at once again while there is more', async () => {
  await using scene = new Scene([NOTHING, { ...NOTHING, more: true }, { ...NOTHING, more: true }]);
  await scene.pass(999);
  assert.deepEqual(scene.slices, []);
  await scene.pass(1);
  assert.deepEqual(scene.slices, [100]);
  await scene.pass(1_000);
  assert.equal(scene.slices.length, 2);
  await scene.pass(0);
  await scene.pass(0);
  assert.equal(scene.slices.length, 4);
  await scene.pass(0);
  assert.equal(scene.slices.length, 4);
  await scene.pass(1_000);
  assert.equal(scene.slices.length, 5);
});

test('rings for what is forgotten, and tells of webhooks that nobody came for by their sources', async () => {
  await using scene = new Scene([{ forgotten: ['a', 'b'], unclaimed: ['acme', 'other', 'acme'], more: false }]);
  await scene.pass(1_000);
  assert.deepEqual(scene.told, [
    'ring a',
    'ring b',
    ['debug', { event: 'transactions.forgotten', count: 2 }],
    ['warn', { event: 'webhooks.unclaimed', source: 'acme', count: 2 }],
    'unclaimed acme 2',
    ['warn', { event: 'webhooks.unclaimed', source: 'other', count: 1 }],
    'unclaimed other 1',
  ]);
});

test('goes on after the store could not sweep', async () => {
  await using scene = new Scene([new Error('disk full')]);
  await scene.pass(1_000);
  assert.deepEqual(scene.told, [['warn', { event: 'sweep.failed', error: 'Error: disk full' }]]);
  await scene.pass(1_000);
  assert.equal(scene.slices.length, 2);
});
