/** Runs the contract of stores over each of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { silentLogger } from '../../src/logger.ts';
import { Pool } from '../../src/postgres/pool.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { addNode, emptyAll, openStore } from '../store/postgres-fixture.ts';
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

/** One for all tests of the contract: connections that know their statements, and a database that is emptied for each. */
let shared: Promise<AsyncDisposable & { readonly pool: Pool }> | undefined;

async function openShared(): Promise<AsyncDisposable & { readonly pool: Pool }> {
  const database = await temporaryDatabase();
  const pool = new Pool({ url: database.url, logger: silentLogger });
  return {
    pool,
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

after(async () => (await shared)?.[Symbol.asyncDispose]());

storeContract(
  'PostgresStore',
  async (limits) => {
    const clock = new ManualClock();
    const { pool } = await (shared ??= openShared());
    await emptyAll(pool);
    await addNode(pool, 'node');
    const store = await openStore(pool, { limits, clock });
    return { store, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  },
  noPostgres,
);
