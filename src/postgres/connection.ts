/**
 * How a connection to PostgreSQL is made, for whatever it is used: with an end to every wait, and with plans that do not
 * depend on what a table held when they were made. Knows nothing of what is asked over it.
 */
import { types } from 'pg';
import type { ClientConfig, CustomTypesConfig } from 'pg';

const CONNECT_MS = 3_000;
/** Of one statement on the server. */
const STATEMENT_MS = 4_000;
/** Of one lock: some app may have it. */
const LOCK_MS = 3_000;
/** How long an answer is waited for: after that the connection is dead, and nobody has said so. */
export const ANSWER_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;
const INT8 = 20;

/**
 * Every statement of ours finds its rows by an index, however small a table was when its plan was made: plans are kept, and
 * the one that reads all of an empty table would be kept while it grows. Without sequential scans every plan looks dear, so
 * compiling them is off.
 */
const SETTINGS = [
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_bitmapscan=off',
  'jit=off',
  // Whoever has waited for a lock sees what was committed meanwhile, whatever the database's default is.
  'default_transaction_isolation=read\\ committed',
  'plan_cache_mode=force_generic_plan',
  `lock_timeout=${LOCK_MS}`,
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** Counts and times are integers below 2^53, and come as numbers. */
const numbers: CustomTypesConfig = {
  getTypeParser: (id, format) => (Number(id) === INT8 ? Number : types.getTypeParser(id, format)),
};

/**
 * @param url settings in its `options` come after ours
 * @param purpose what the connection is for: it is to be read in `pg_stat_activity`
 * @param answerMs how long an answer is waited for
 */
export function connectionConfig(url: string, purpose: string, answerMs: number = ANSWER_MS): ClientConfig {
  const { rest, options } = withoutOptions(url);
  return {
    connectionString: rest,
    application_name: `ringback ${purpose}`,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: answerMs,
    idle_in_transaction_session_timeout: STATEMENT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    options: `${SETTINGS} ${options}`.trimEnd(),
    types: numbers,
  };
}

/** What stands in a connection string takes the place of what is given beside it. */
function withoutOptions(url: string): { readonly rest: string; readonly options: string } {
  const parsed = URL.parse(url);
  const options = parsed?.searchParams.get('options') ?? '';
  if (parsed === null || options === '') return { rest: url, options };
  parsed.searchParams.delete('options');
  return { rest: parsed.href, options };
}
