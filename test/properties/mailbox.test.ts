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
import { temporaryFolder } from '../fixtures/server.ts';
import { commands, done, names } from './mailbox-commands.ts';
import { compareStore } from './mailbox-comparison.ts';
import { LIMITS, Model } from './mailbox-model.ts';
import { World, type StoreHome } from './mailbox-world.ts';

const isLong = process.env['RINGBACK_LONG'] === '1';
const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
const MOST_COMMANDS = 120;

/** Steps taken in the short form, which a search that does nothing would not reach. */
const FEWEST_STEPS = 300;

test('a mailbox in memory does what the model says, whatever happens to it', async (t) => {
  await search(t, { runs: isLong ? 20_000 : 700, home: memoryHome });
});

test('a mailbox in SQLite does what the model says, whatever happens to it', async (t) => {
  await using folder = await temporaryFolder();
  let files = 0;
  await search(t, { runs: isLong ? 2_000 : 25, home: () => sqliteHome(join(folder.path, `${++files}.db`)) });
});

async function search(t: TestContext, { runs, home }: { runs: number; home: () => StoreHome }): Promise<void> {
  t.diagnostic(`seed ${seed}`);
  done.clear();
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
  assert.deepEqual(
    [...names].filter((name) => !done.has(name)),
    world.isDurable ? [] : ['crash'],
    'kinds of commands that never came',
  );
  assert.ok([...done.values()].reduce((sum, count) => sum + count, 0) > FEWEST_STEPS);
}

async function run(world: World, steps: Iterable<fc.AsyncCommand<Model, World>>): Promise<void> {
  const model = new Model(world.clock.now());
  await fc.asyncModelRun(() => ({ model, real: world }), steps);
  await compareStore(model, world);
  world.detachAll();
  for (const { id, state } of model.transactions) if (state !== 'forgotten') await world.transactions.forget(id);
  await world.quiet();
}

function memoryHome(): StoreHome {
  let store: Store | undefined;
  return { isDurable: false, open: async (clock) => (store ??= new MemoryStore({ limits: LIMITS, clock })) };
}

function sqliteHome(file: string): StoreHome {
  return { isDurable: true, open: (clock) => SqliteStore.open({ file, limits: LIMITS, clock, logger: silentLogger }) };
}
