/** Runs the contract of stores over each of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/logger.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { storeContract } from './store.ts';

storeContract('MemoryStore', async (limits) => {
  const clock = new ManualClock();
  const store = new MemoryStore({ limits, clock });
  return { store, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
});

storeContract('SqliteStore', async (limits) => {
  const clock = new ManualClock();
  const folder = await mkdtemp(join(tmpdir(), 'ringback-store-'));
  const store = await SqliteStore.open({ file: join(folder, 'store.db'), limits, clock, logger: silentLogger });
  return {
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
});
