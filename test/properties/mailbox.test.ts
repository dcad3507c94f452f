/**
 * Anything that can happen to mailboxes, in any order, against a plain model: for each store. `RINGBACK_LONG=1` for a long
 * search; `RINGBACK_SEED` repeats one.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '../../src/logger.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { addNode, emptyAll, openPostgres, removeNode, type OpenPostgres } from '../store/postgres-fixture.ts';
import { commands } from './mailbox-commands.ts';
import { compareStore } from './mailbox-comparison.ts';
import { done, names } from './mailbox-kind.ts';
import { LIMITS, Model } from './mailbox-model.ts';
import { noteOutcome, outcomes } from './mailbox-webhooks.ts';
import { World, type StoreHome } from './mailbox-world.ts';

const isLong = process.env['RINGBACK_LONG'] === '1';
const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
const MOST_COMMANDS = 120;

/** Steps taken in the short form, which a search that does nothing would not reach. */
const FEWEST_STEPS = 300;

/** What has to have become of some webhook, in the many runs that memory allows for. */
const WEBHOOK_OUTCOMES = [
  'claimed',
  'duplicate',
  'expired',
  'mailbox_full',
  'parked',
  'settled',
  'stored',
  'too_many_parked',
  'unclaimed',
  'unknown',
];

test('a mailbox in memory does what the model says, whatever happens to it', async (t) => {
  await search(t, { runs: isLong ? 20_000 : 400, home: memoryHome });
  assert.deepEqual([...outcomes.keys()].toSorted(), WEBHOOK_OUTCOMES);
});

test('a mailbox in SQLite does what the model says, whatever happens to it', async (t) => {
  await using folder = await temporaryFolder();
  let files = 0;
  await search(t, { runs: isLong ? 2_000 : 25, home: () => sqliteHome(join(folder.path, `${++files}.db`)) });
});

test('a mailbox in PostgreSQL does what the model says, whatever happens to it', { skip: noPostgres }, async (t) => {
  await using database = await temporaryDatabase();
  await search(t, { runs: isLong ? 1_000 : 12, home: () => postgresHome(database.url) });
});

async function search(t: TestContext, { runs, home }: { runs: number; home: () => StoreHome }): Promise<void> {
  t.diagnostic(`seed ${seed}`);
  done.clear();
  outcomes.clear();
  // Opening a store takes longer than all the rest, so that runs share one until one of them fails.
  let world = await World.create(home());
  const property = fc.asyncProperty(fc.commands(commands, { maxCommands: MOST_COMMANDS, size: 'max' }), async (steps) => {
    try {
      await run(world, steps);
    } catch (error) {
      await world.dispose().catch(() => undefined);
      world = await World.create(home());
      throw error;
    }
  });
  try {
    await fc.assert(property, { seed, numRuns: runs });
  } finally {
    await world.dispose();
  }
  t.diagnostic(`done: ${[...done].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  t.diagnostic(`webhooks: ${[...outcomes].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  assert.deepEqual(
    [...names].filter((name) => !done.has(name)),
    world.isDurable ? [] : ['crash'],
    'kinds of commands that never came',
  );
  assert.ok([...done.values()].reduce((sum, count) => sum + count, 0) > FEWEST_STEPS);
}

async function run(world: World, steps: Iterable<fc.AsyncCommand<Model, World>>): Promise<void> {
  const model = new Model(world.clock.now());
  world.unclaimed.length = 0;
  await fc.asyncModelRun(() => ({ model, real: world }), steps);
  await compareStore(model, world);
  for (const _ of model.unclaimed) noteOutcome('unclaimed');
  world.detachAll();
  for (const { id, state } of model.transactions) if (state !== 'forgotten') await world.transactions.forget(id);
  await world.quiet();
  // What is parked is late then, and swept a second later.
  await world.pass(LIMITS.dedupeMs);
  await world.pass(1_000);
  await world.pass(1_000);
}

function memoryHome(): StoreHome {
  let store: Store | undefined;
  return { isDurable: false, open: async (clock) => (store ??= new MemoryStore({ limits: LIMITS, clock })) };
}

function sqliteHome(file: string): StoreHome {
  return { isDurable: true, open: (clock) => SqliteStore.open({ file, limits: LIMITS, clock, logger: silentLogger }) };
}

function postgresHome(url: string): StoreHome {
  let opened: OpenPostgres | undefined;
  return {
    isDurable: true,
    async open(clock) {
      await opened?.[Symbol.asyncDispose]();
      const isFirst = opened === undefined;
      opened = await openPostgres(url, { limits: LIMITS, clock });
      // After a failure the next begins where it began.
      if (isFirst) await emptyAll(opened.pool);
      else await removeNode(opened.pool, 'node');
      await addNode(opened.pool, 'node');
      return opened.store;
    },
  };
}
