/**
 * Brings the schema `ringback` to what this program knows: each file of the folder `migrations` once, in the order of their
 * names, all in one transaction. However many instances start at once, one does it and the others wait for it. Where nothing is
 * to be done nothing is locked, and no right is needed but to look. A file is never changed after its release.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { connectionConfig } from './connection.ts';
import { problemOf, reasonOf } from './refusal.ts';

const FOLDER = new URL('migrations/', import.meta.url);
/** Any number that nobody else takes. */
const LOCK = '0x72696e676261636b';
/** Indexes of large tables take their time, and so do those who are waited for. */
const LONGEST_MS = 3_600_000;
/** Compression with lz4, and what a function may say of its body. */
const OLDEST_VERSION = 14;

/** The database cannot be the store's, or not of this version; nothing in it was changed. */
export class StoreDatabaseError extends Error {
  override readonly name = 'StoreDatabaseError';

  constructor(reason: string, options?: ErrorOptions) {
    super(`cannot use the PostgreSQL database as a store: ${reason}`, options);
  }

  /** What went wrong at the start, in words for a person. */
  static of(error: unknown, url: string): StoreDatabaseError {
    if (error instanceof StoreDatabaseError) return error;
    return new StoreDatabaseError(reasonOf(error, url), { cause: error });
  }
}

/** @throws StoreDatabaseError when the database is newer than this program, or cannot be used */
export async function migrate(url: string): Promise<void> {
  const problem = problemOf(url);
  if (problem !== undefined) throw new StoreDatabaseError(problem);
  try {
    await bringUp(url);
  } catch (error) {
    throw StoreDatabaseError.of(error, url);
  }
}

async function bringUp(url: string): Promise<void> {
  const config = connectionConfig(url, 'migration');
  const options = `${config.options ?? ''} -c lock_timeout=${LONGEST_MS}`;
  // A look takes no time; who waits longer for its answer waits for nobody.
  if (await connected(config, isDone)) return;
  await connected({ ...config, options, statement_timeout: LONGEST_MS, query_timeout: LONGEST_MS }, run);
}

async function connected<Result>(config: ClientConfig, act: (client: Client) => Promise<Result>): Promise<Result> {
  let client: Client | undefined;
  try {
    // Reads the files that the URL names.
    client = new Client(config);
    // What ends a statement is told by the statement.
    client.on('error', () => undefined);
    await client.connect();
    return await act(client);
  } finally {
    await client?.end().catch(() => undefined);
  }
}

async function isDone(client: Client): Promise<boolean> {
  const text = `SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding`;
  const { rows } = await client.query<{ version: string; encoding: string }>(text);
  const { version = '', encoding = '' } = rows[0] ?? {};
  if (encoding !== 'UTF8') throw new StoreDatabaseError(`expected a database whose server_encoding is UTF8, got ${encoding}`);
  if (Number.parseInt(version, 10) < OLDEST_VERSION) {
    throw new StoreDatabaseError(`expected PostgreSQL ${OLDEST_VERSION} or later, got ${version}`);
  }
  return (await missing(client)).length === 0;
}

async function run(client: Client): Promise<void> {
  // Whoever has waited for the lock is to see what was done meanwhile.
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
  await client.query(`SELECT pg_advisory_xact_lock(${BigInt(LOCK)})`);
  // Where it is given, the right to create one is not needed, which IF NOT EXISTS would ask for all the same.
  const schema = await client.query(`SELECT FROM pg_namespace WHERE nspname = 'ringback'`);
  if (schema.rowCount === 0) await client.query('CREATE SCHEMA ringback');
  await client.query('CREATE TABLE IF NOT EXISTS ringback.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL)');
  for (const name of await missing(client)) {
    await client.query(readFileSync(new URL(`${name}.sql`, FOLDER), 'utf8'));
    await client.query('INSERT INTO ringback.migrations (name, applied_at) VALUES ($1, clock_timestamp())', [name]);
  }
  await client.query('COMMIT');
}

/** Names of the migrations that have not been applied, in order. */
async function missing(client: Client): Promise<readonly string[]> {
  const known = migrationNames();
  const there = await client.query<{ yes: boolean }>(`SELECT to_regclass('ringback.migrations') IS NOT NULL AS yes`);
  if (there.rows[0]?.yes !== true) return known;
  const { rows } = await client.query<{ name: string }>('SELECT name FROM ringback.migrations');
  const applied = new Set(rows.map(({ name }) => name));
  const unknown = [...applied].filter((name) => !known.includes(name)).toSorted();
  if (unknown.length > 0) {
    throw new StoreDatabaseError(`its schema is newer than this program, which does not know ${unknown.join(', ')}`);
  }
  return known.filter((name) => !applied.has(name));
}

/** In order. */
export function migrationNames(): readonly string[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.sql'));
  return files.map((name) => name.slice(0, -'.sql'.length)).toSorted();
}
