/** The patrol: what it asks the store, and whom it rings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBackplane } from '../../src/backplane/memory.ts';
import { silentLogger } from '../../src/logger.ts';
import { Patrol, PATROL_EVERY_MS } from '../../src/transactions/patrol.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

/** A patrol over a store whose versions a test sets, and the rings that readers heard. */
class Scene implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly backplane = new MemoryBackplane();
  readonly versions = new Map<string, number>();
  /** The ids of each question. */
  readonly asked: (readonly string[])[] = [];
  readonly heard: string[] = [];
  readonly patrol: Patrol;
  isAway = false;
  #answer: Promise<void> = Promise.resolve();

  constructor() {
    this.patrol = new Patrol({
      store: { versions: (ids) => this.#versionsOf(ids) },
      backplane: this.backplane,
      clock: this.clock,
      logger: silentLogger,
    });
  }

  read(transactionId: string): () => void {
    return this.backplane.subscribe(transactionId, () => void this.heard.push(transactionId));
  }

  /** From now on the store answers when the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answer = promise;
    return resolve;
  }

  async round(): Promise<void> {
    this.clock.advance(PATROL_EVERY_MS);
    await quiet();
  }

  /** What was heard since the last call. */
  takeHeard(): string[] {
    return this.heard.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.patrol[Symbol.asyncDispose]();
    assert.equal(this.clock.pendingCount, 0, 'a patrol that has ended leaves no timer');
  }

  async #versionsOf(ids: readonly string[]): Promise<readonly (number | undefined)[]> {
    this.asked.push([...ids]);
    if (this.isAway) throw new Error('away');
    const answer = ids.map((id) => this.versions.get(id));
    await this.#answer;
    return answer;
  }
}

async function quiet(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

test('rings for what has changed, and for nothing else', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 1).set('txn_b', 1).set('txn_unread', 1);
  scene.read('txn_a');
  scene.read('txn_b');
  await scene.round();
  scene.takeHeard();
  scene.versions.set('txn_a', 2).set('txn_unread', 2);
  await scene.round();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
  await scene.round();
  assert.deepEqual(scene.takeHeard(), []);
  assert.deepEqual(scene.asked, Array(3).fill(['txn_a', 'txn_b']));
});

test('a round comes at least every three seconds, and asks nothing where nobody reads', async () => {
  assert.ok(PATROL_EVERY_MS <= 3_000);
  await using scene = new Scene();
  await scene.round();
  assert.deepEqual(scene.asked, []);
  scene.read('txn_a');
  scene.clock.advance(PATROL_EVERY_MS - 1);
  await quiet();
  assert.deepEqual(scene.asked, []);
  scene.clock.advance(1);
  assert.equal(scene.asked.length, 1);
});

test('one that it sees for the first time is rung, since its reader may have read before that', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 7);
  scene.read('txn_a');
  await scene.round();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
});

test('the readers of a transaction that is forgotten are rung once', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 1);
  scene.read('txn_a');
  await scene.round();
  scene.takeHeard();
  scene.versions.delete('txn_a');
  await scene.round();
  await scene.round();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
});

test('looks at once where it is asked to, and rings there for what is new to it or has changed', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 1).set('txn_b', 1);
  scene.read('txn_a');
  scene.read('txn_b');
  scene.patrol.look(['txn_a']);
  await quiet();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
  scene.patrol.look(['txn_a', 'txn_b']);
  await quiet();
  assert.deepEqual(scene.takeHeard(), ['txn_b']);
});

test('who leaves while the store is asked hears nothing, and who comes again is new', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 1);
  const leave = scene.read('txn_a');
  await scene.round();
  scene.takeHeard();
  scene.versions.set('txn_a', 2);
  const answer = scene.hold();
  await scene.round();
  leave();
  answer();
  await quiet();
  assert.deepEqual(scene.takeHeard(), []);
  await scene.round();
  scene.read('txn_a');
  await scene.round();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
});

test('goes on after the store was away, and rings for what has changed meanwhile', async () => {
  await using scene = new Scene();
  scene.versions.set('txn_a', 1);
  scene.read('txn_a');
  await scene.round();
  scene.takeHeard();
  scene.isAway = true;
  scene.versions.set('txn_a', 2);
  await scene.round();
  await scene.round();
  assert.deepEqual(scene.takeHeard(), []);
  scene.isAway = false;
  await scene.round();
  assert.deepEqual(scene.takeHeard(), ['txn_a']);
});

test('asks for many in parts, and the next round waits for the end of a long one', async () => {
  await using scene = new Scene();
  for (let n = 0; n < 2_500; n++) scene.read(`txn_${n}`);
  const answer = scene.hold();
  await scene.round();
  await scene.round();
  assert.deepEqual(
    scene.asked.map(({ length }) => length),
    [1_000],
  );
  answer();
  await quiet();
  assert.deepEqual(
    scene.asked.map(({ length }) => length),
    [1_000, 1_000, 500],
  );
  assert.equal(new Set(scene.asked.flat()).size, 2_500);
  await scene.round();
  assert.equal(scene.asked.length, 6);
});
