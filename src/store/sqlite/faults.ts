/**
 * What SQLite's result codes mean for a batch: whether one row cannot be written, or nothing can now.
 *
 * @see https://sqlite.org/rescode.html
 */

export const BUSY = 5;
export const NOT_A_DATABASE = 26;

/** SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE: the values are at fault, not the file. */
const OF_THE_ROW: ReadonlySet<number> = new Set([18, 19, 20, 25]);

/** Undefined: not an error of SQLite. */
export function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error && 'errcode' in error && typeof error.errcode === 'number')) return undefined;
  // The extended codes keep theirs in the lowest byte.
  return error.errcode & 0xff;
}

/** Whether only the call that met it is at fault, so that its neighbours can be committed. */
export function isOfOneCall(error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined || OF_THE_ROW.has(code);
}
