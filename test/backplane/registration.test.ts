/** Which rows of readers there are after whatever was asked for in whatever order, on a database that fails and loses them. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Registration } from '../../src/backplane/postgres/registration.ts';
import { silentLogger } from '../../src/logger.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

const RUNS = process.env['RINGBACK_LONG'] === '1' ? 20_000 : 500;
const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
const IDS = ['txn_a', 'txn_b', 'txn_c'];

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('come', 'leave'), id: fc.constantFrom(...IDS) }),
    fc.constantFrom(
      { kind: 'a turn passes' },
      { kind: 'the database answers' },
      { kind: 'the database commits' },
      { kind: 'the database fails, and has done it' },
      { kind: 'the database fails' },
      { kind: 'the rows are lost' },
      { kind: 'a second passes' },
    ),
  ),
  { minLength: 5, maxLength: 40 },
);

interface Asked {
  readonly wanted: readonly string[];
  readonly left: readonly string[];
  readonly answer: PromiseWithResolvers<void>;
  isDone: boolean;
}

/** The table, of which a test says when it answers. */
class Table {
  readonly rows = new Set<string>();
  readonly #waiting: Asked[] = [];

  async query(_statement: object, [wanted, left]: readonly unknown[]): Promise<readonly never[]> {
    const answer = Promise.withResolvers<void>();
    this.#waiting.push({ wanted: namesOf(wanted), left: namesOf(left), answer, isDone: false });
    await answer.promise;
    return [];
  }

  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Does what was asked, and has not said so. */
  commit(): void {
    for (const asked of this.#waiting) {
      if (asked.isDone) continue;
      asked.isDone = true;
      for (const id of asked.left) this.rows.delete(id);
      for (const id of asked.wanted) this.rows.add(id);
    }
  }

  answer(how: 'done' | 'failed' | 'done and failed'): void {
    if (how !== 'failed') this.commit();
    for (const { answer } of this.#waiting.splice(0)) {
      if (how === 'done') answer.resolve();
      else answer.reject(new Error('away'));
    }
  }
}

class Scene {
  readonly clock = new ManualClock();
  readonly table = new Table();
  readonly wanted = new Set<string>();
  /** Told to be registered since the rows were last lost or it last came. */
  readonly told = new Set<string>();
  readonly registration = new Registration({
    pool: this.table,
    node: 'node',
    clock: this.clock,
    logger: silentLogger,
    isWanted: (id) => this.wanted.has(id),
    isHere: () => true,
    onRegistered: (ids) => ids.forEach((id) => this.#onRegistered(id)),
  });

  async do({ kind, id = '' }: { readonly kind: string; readonly id?: string }): Promise<void> {
    if (kind === 'come' && !this.wanted.has(id)) {
      this.wanted.add(id);
      this.registration.come(id);
    } else if (kind === 'leave' && this.wanted.delete(id)) this.registration.leave(id);
    else if (kind === 'a turn passes') await turn();
    else if (kind === 'a second passes') this.clock.advance(1_000);
    else if (kind === 'the database commits') this.table.commit();
    else if (kind === 'the database answers') this.table.answer('done');
    else if (kind === 'the database fails') this.table.answer('failed');
    else if (kind === 'the database fails, and has done it') this.table.answer('done and failed');
    else if (kind === 'the rows are lost') {
      this.table.rows.clear();
      this.told.clear();
      this.registration.begin(this.wanted);
    }
    await Promise.resolve();
  }

  /** The database is well again. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      await turn();
      this.table.answer('done');
      await turn();
      if (!this.table.isAsked) this.clock.advance(1_000);
    }
  }

  #onRegistered(id: string): void {
    assert.ok(this.wanted.has(id) ? this.table.rows.has(id) : true, `${id} is said to be registered, and is not`);
    this.told.add(id);
  }
}

function namesOf(value: unknown): readonly string[] {
  assert.ok(Array.isArray(value));
  return value.map(String);
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

test('in the end there is a row for each transaction that is read here, and for no other', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const seen = { steps: 0, rows: 0 };
  const property = fc.asyncProperty(steps, async (todo) => {
    const scene = new Scene();
    for (const step of todo) await scene.do(step);
    await scene.settle();
    assert.deepEqual([...scene.table.rows].toSorted(), [...scene.wanted].toSorted());
    for (const id of scene.wanted) assert.ok(scene.told.has(id), `${id} was never said to be registered`);
    seen.steps += todo.length;
    seen.rows += scene.table.rows.size;
    await scene.registration[Symbol.asyncDispose]();
    assert.equal(scene.clock.pendingCount, 0);
  });
  await fc.assert(property, { seed, numRuns: RUNS });
  assert.ok(seen.rows > RUNS / 2 && seen.steps > 5 * RUNS, JSON.stringify(seen));
});
