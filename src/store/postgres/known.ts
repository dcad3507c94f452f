/** What the statements that read have in common: how rows are looked up, and which transactions are there. */

/** The first two parameters of every statement: the time or null, and how long an ended transaction is kept. */
export const CLOCK = '(SELECT coalesce($1::bigint, ringback.now_ms()) AS now) AS clock';
const IS_KNOWN = 't.ends_at > clock.now - $2::bigint';

/** `t` and `clock`. */
export const POSITION = 'clock.now, t.expires_at, t.ends_at, t.settled, t.last_sequence, t.acked_sequence';

/**
 * Rows of one table that are looked up for each row before, by what stands in `where`. Never a join: its plan might begin with
 * this table, and be kept from when that was empty to when it is full. @see 0001-2-messages.sql
 */
export function lookUp(table: string, where: string, as: string): string {
  return `LATERAL (SELECT x.* FROM ringback.${table} x WHERE ${where} OFFSET 0) AS ${as}`;
}

/** `clock`, and `t`, the transaction that is not forgotten, for each row of `before`. @param where of `x` */
export function known(where: string, before?: string): string {
  return `FROM ${before === undefined ? '' : `${before} CROSS JOIN `}${CLOCK}
    JOIN ${lookUp('transactions', where, 't')} ON ${IS_KNOWN}`;
}
