/** What the tests of the PostgreSQL store share: a store on a database of its own, whose time a test may turn. */
import { Client } from 'pg';
import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import { silentLogger } from '../../src/logger.ts';
import { Pool } from '../../src/postgres/pool.ts';
import { PostgresStore } from '../../src/store/postgres/postgres.ts';
import type { StoreLimits } from '../../src/store/store.ts';
import { LIMITS } from './sqlite-fixture.ts';

export interface OpenPostgresOptions {
  readonly limits?: Partial<StoreLimits>;
  /** Turned by hand. Default: the database's clock, and the system's. */
  readonly clock?: Pick<Clock, 'now'>;
  readonly answerMs?: number;
  /** Connections at once. Default: 10. */
  readonly size?: number;
  readonly patienceMs?: number;
}

export interface OpenPostgres extends AsyncDisposable {
  readonly store: PostgresStore;
  readonly pool: Pool;
  /** Resolves when the pool has found that the database is away, the next time. */
  left(): Promise<void>;
  /** Several statements, as they stand. */
  run(sql: string): Promise<void>;
}

/** On a database that has our schema. */
export async function openPostgres(url: string, options: OpenPostgresOptions = {}): Promise<OpenPostgres> {
  const listeners = new Set<() => void>();
  const logger = {
    ...silentLogger,
    warn: (fields: object) => {
      if ('event' in fields && fields.event === 'postgres.away') for (const listener of listeners) listener();
    },
  };
  const { answerMs = 5_000, size = 10 } = options;
  const pool = new Pool({ url, logger, answerMs, size });
  const store = await openStore(pool, options);
  return {
    store,
    pool,
    left: () => new Promise((resolve) => listeners.add(resolve)),
    async run(sql) {
      const client = new Client({ connectionString: url });
      await client.connect();
      try {
        await client.query(sql);
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
    },
  };
}

/** A store on connections that outlive it. */
export function openStore(pool: Pool, { limits = {}, clock, patienceMs = 6_000 }: OpenPostgresOptions): Promise<PostgresStore> {
  const timing = clock === undefined ? { clock: systemClock } : { clock: timedBy(clock), now: () => clock.now() };
  return PostgresStore.open({ pool, limits: { ...LIMITS, ...limits }, patienceMs, ...timing });
}

/** Leaves the database as it is when it is new. */
export async function emptyAll(pool: Pool): Promise<void> {
  const text = `DO $$
    DECLARE each text;
    BEGIN
      FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'ringback' AND tablename NOT IN ('migrations', 'counts') LOOP
        EXECUTE format('DELETE FROM ringback.%I', each);
      END LOOP;
      UPDATE ringback.counts SET value = 0 WHERE value <> 0;
    END $$`;
  await pool.query({ name: 'empty_all', text }, []);
}

/** Says what time it is by hand, and waits by itself. */
function timedBy(clock: Pick<Clock, 'now'>): Clock {
  return { ...systemClock, now: () => clock.now() };
}

/** A node whose lease lasts so long, so that its connections are seen. */
export async function addNode(pool: Pool, node: string, leaseSeconds = 3_600): Promise<void> {
  const text = `INSERT INTO ringback.nodes (node, lease_until, held_since)
    VALUES ($1, clock_timestamp() + $2 * interval '1 second', clock_timestamp())
    ON CONFLICT (node) DO UPDATE SET lease_until = excluded.lease_until`;
  await pool.query({ name: 'add_node', text }, [node, leaseSeconds]);
}

/** As others remove one that is dead: with all that it left. */
export async function removeNode(pool: Pool, node: string): Promise<void> {
  await pool.query({ name: 'remove_node', text: 'DELETE FROM ringback.nodes WHERE node = $1' }, [node]);
  await pool.query({ name: 'drop_strays', text: 'SELECT ringback.drop_strays(0, NULL, false)' }, []);
}
