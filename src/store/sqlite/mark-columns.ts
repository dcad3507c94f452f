/** What the effect of marks is in the columns of a row of `mailboxes`: of one that is there, and of one that is new. */
import type { Effect, Outcome } from '../marks.ts';

/** attempts, delivered_at, handled_at, reply, failed_at, error. */
export type MarkColumns = readonly (string | number | null)[];

/** A bare column is its old value. The parameters are those of {@link changesOf}; Node 22 binds no numbered ones. */
export const UPDATE = `
UPDATE mailboxes SET
  attempts = attempts + ?,
  delivered_at = coalesce(delivered_at, ?),
  handled_at = CASE WHEN handled_at IS NOT NULL THEN handled_at WHEN failed_at IS NOT NULL THEN ? ELSE ? END,
  reply = CASE WHEN handled_at IS NOT NULL THEN reply WHEN failed_at IS NOT NULL THEN ? ELSE ? END,
  failed_at = CASE WHEN failed_at IS NULL AND handled_at IS NULL THEN ? WHEN ? IS NULL THEN failed_at END,
  error = CASE WHEN failed_at IS NULL AND handled_at IS NULL THEN ? WHEN ? IS NULL THEN error END
WHERE tx = ? AND entry BETWEEN ? AND ?`;

/** What {@link UPDATE} takes before the place: for each column what a failed message gets, and what a pending one. */
export function changesOf({ deliveries, deliveredAt, ifPending, ifFailed }: Effect): readonly (string | number | null)[] {
  const [handledAt, reply] = handledColumns(ifPending);
  const [handledAfterAll, replyAfterAll] = handledColumns(ifFailed);
  const [failedAt, error] = failedColumns(ifPending);
  const handled = [handledAfterAll, handledAt, replyAfterAll, reply];
  return [deliveries, deliveredAt ?? null, ...handled, failedAt, handledAfterAll, error, handledAfterAll];
}

/** The same for a row that is new, as it is written. */
export function rowOf({ deliveries, deliveredAt, ifPending }: Effect): MarkColumns {
  return [deliveries, deliveredAt ?? null, ...handledColumns(ifPending), ...failedColumns(ifPending)];
}

function handledColumns(outcome: Outcome | undefined): readonly [at: number | null, reply: string | null] {
  return outcome?.kind === 'handled' ? [outcome.at, outcome.reply ?? null] : [null, null];
}

function failedColumns(outcome: Outcome | undefined): readonly [at: number | null, error: string | null] {
  return outcome?.kind === 'failed' ? [outcome.at, outcome.error] : [null, null];
}
