/**
 * A PostgreSQL for servers under test: one of its own each time, as `initdb` makes it, so that a commit is on the disk when it is
 * confirmed. Started as the tests start theirs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { findPostgresPrograms } from '../../scripts/postgres.mjs';
import { PeerMissing, type Counts, type Shared, type StatementNote } from '../peers/peer.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Transactions that wrote something, and the length of the log: both exact at any time, unlike the statistics. */
const COUNTS = `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS commits,
  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text AS "logBytes"`;

/** @throws PeerMissing where there is none */
export function needPostgres(): void {
  if (findPostgresPrograms(ROOT) === undefined)
    throw new PeerMissing(
      'there is no PostgreSQL: Debian and Ubuntu have it as the package postgresql, and npm test fetches one',
    );
}

/** Notes each statement, also those within functions. Not part of every PostgreSQL. */
const PROFILED = ['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track=all'];
const MOST = 60;
/** A statement that a function runs is shown beside the function, and its time is part of the function's. */
const STATEMENTS = `SELECT calls::float8, total_exec_time * 1000 AS us, rows::float8, wal_bytes::float8 AS "logBytes",
  CASE WHEN toplevel THEN '' ELSE '  ' END || regexp_replace(query, '\\s+', ' ', 'g') AS text
  FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT ${MOST}`;

export interface PostgresOptions {
  /** As of `postgres -c`, besides its defaults. */
  readonly settings?: readonly string[];
  /** Whether it notes its statements. */
  readonly isProfiled?: boolean;
}

export async function startPostgres({ settings = [], isProfiled = false }: PostgresOptions = {}): Promise<Shared> {
  // Only here: without any PostgreSQL it says that tests are skipped.
  const { PostgresServer } = await import('../../test/fixtures/postgres.ts');
  const notes = isProfiled && canNote();
  const server = await PostgresServer.start(notes ? [...settings, ...PROFILED] : settings);
  const client = new Client({ connectionString: server.url });
  // It may be gone before we are.
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  if (notes) await client.query('CREATE EXTENSION pg_stat_statements');
  return {
    name: 'PostgreSQL',
    url: server.url,
    pid: parentOf(rows[0]?.pid ?? 0),
    ...(notes ? { statements: () => statementsOf(client) } : {}),
    counts: async () => countsOf((await client.query<Record<keyof Counts, string>>(COUNTS)).rows[0]),
    async [Symbol.asyncDispose]() {
      await client.end();
      await server[Symbol.asyncDispose]();
    },
  };
}

function countsOf(row: Readonly<Record<string, string>> | undefined): Counts {
  return { commits: Number(row?.['commits']), logBytes: Number(row?.['logBytes']) };
}

function canNote(): boolean {
  const programs = findPostgresPrograms(ROOT)?.programs ?? '';
  return ['lib', 'lib/postgresql'].some((folder) => existsSync(join(programs, '..', folder, 'pg_stat_statements.so')));
}

/** And begins anew. */
async function statementsOf(client: Client): Promise<readonly StatementNote[]> {
  const { rows } = await client.query<StatementNote>(STATEMENTS);
  await client.query('SELECT pg_stat_statements_reset()');
  return rows;
}

/** Of the process of a connection: the server itself. */
function parentOf(pid: number): number {
  const found = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (found === null) throw new Error(`expected the parent of the process ${pid}`);
  return Number(found[1]);
}
