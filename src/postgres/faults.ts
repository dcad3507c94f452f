/**
 * What an error of PostgreSQL, or of the way to it, means for who asked: try again at once, somebody else is at it, the server
 * is away, or the fault of this one call. Knows nothing of what was asked.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

/**
 * `again`: nothing was done, and the same may succeed now. `held`: nothing was done in the time there was. `away`: perhaps done,
 * perhaps not; the connection is of no more use. `call`: nothing was done, and never will be.
 */
export type Fault = 'again' | 'held' | 'away' | 'call';

/** serialization_failure, deadlock_detected. */
const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01']);

/** query_canceled, which a time-out does too; lock_not_available; the disk or the memory of the server is full. */
const HELD: ReadonlySet<string> = new Set(['57014', '55P03', '53100', '53200', '53400']);

/** too_many_connections. */
const CROWDED = '53300';

/**
 * Classes: connection exception, insufficient resources, operator intervention, system error, no or another user or database than
 * before. A server that only reads (25006) is a replica, or was the primary until now.
 */
const AWAY = /^(08|53|57|58|XX|28|3D)|^25006$/;

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** All connections were in use for too long: that says nothing of the server, and nothing was asked of it. */
export class NoTurnError extends Error {
  override readonly name = 'NoTurnError';

  constructor(waitedMs: number) {
    super(`no connection was free for ${waitedMs} ms`);
  }
}

/** Undefined: the server did not say it; the connection was lost, or never was. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return undefined;
  // Those of sockets, such as EPIPE, may look the same; only the server gives a severity.
  return SQLSTATE.test(error.code) && 'severity' in error ? error.code : undefined;
}

export function faultOf(error: unknown): Fault {
  if (error instanceof NoTurnError) return 'held';
  const state = sqlState(error);
  if (state === undefined) return error instanceof TypeError || error instanceof RangeError ? 'call' : 'away';
  if (AGAIN.has(state)) return 'again';
  if (HELD.has(state)) return 'held';
  return AWAY.test(state) ? 'away' : 'call';
}

/** Nothing was asked, since the server has as many connections as it takes. */
export function isCrowded(error: unknown): boolean {
  return sqlState(error) === CROWDED;
}
