/**
 * What became of messages. What marks mean is decided in `../marks.ts`, for all stores alike; the function that applies it is
 * in `0001-4-marks.sql`.
 */
import { effectsOf, roundsOf } from '../marks.ts';
import type { EffectRun, Outcome } from '../marks.ts';
import type { MarkedPosition, TransactionMarks } from '../store.ts';
import { sought } from './storable.ts';
import { BUSY, Write } from './write.ts';

const MOST_ELEMENTS = 512;

/**
 * Where no mailbox ends. What marks mean depends on the position only to spare work, and the function knows where it is: so
 * nothing has to be read before.
 */
const ANYWHERE = { lastSequence: Number.MAX_SAFE_INTEGER, ackedSequence: 0 };

/** The marks of one transaction, and the time of the node's clock when they were handed over. */
export interface MarkCall {
  readonly element: TransactionMarks;
  readonly now: number;
}

type MarkAnswer = readonly [lastSequence: number, ackedSequence: number] | 'busy' | null;
export type MarkWrite = Write<MarkCall, MarkedPosition, readonly MarkAnswer[]>;

/** A run of messages with what happens to it, as the parameters of `mark_all` from the third on. */
type Row = readonly (number | string | null)[];

export function markWrite(): MarkWrite {
  return new Write({
    name: 'mark_all',
    types: ['text[]', 'integer[]', 'integer[]', 'integer[]', ...ROW_TYPES],
    most: MOST_ELEMENTS,
    place: ({ element }) => ({ keys: [`t:${element.transactionId}`], names: 'id' }),
    // Replies are JSON, and errors become JSON: neither has text that cannot be stored.
    texts: () => [],
    values: marksAsColumns,
    answers: (answers, calls) => calls.map((_, index) => positionOf(answers[index] ?? null)),
  });
}

const ROW_TYPES = [
  'bigint[]', // from
  'bigint[]', // to
  'bigint[]', // deliveries
  'bigint[]', // age of the first
  'bigint[]', // handled: age, reply
  'text[]',
  'bigint[]', // failed: age, error
  'text[]',
  'bigint[]', // handled after it had failed: age, reply
  'text[]',
];

/** Elements of one transaction are rounds after rounds. */
function marksAsColumns(calls: readonly MarkCall[]): readonly unknown[] {
  const nextRound = new Map<string, number>();
  const lastRounds: number[] = [];
  const elements: number[] = [];
  const rounds: number[] = [];
  const columns: Row[number][][] = ROW_TYPES.map(() => []);
  for (const [index, { element, now }] of calls.entries()) {
    let round = nextRound.get(element.transactionId) ?? 0;
    lastRounds.push(round);
    for (const marks of roundsOf(element.marks)) {
      const rows = effectsOf(marks, ANYWHERE).map((run) => rowOf(run, now));
      elements.push(...rows.map(() => index + 1));
      rounds.push(...rows.map(() => round));
      for (const [place, column] of columns.entries()) column.push(...rows.map((row) => row[place] ?? null));
      lastRounds[index] = round;
      round += 1;
    }
    nextRound.set(element.transactionId, Math.max(round, (lastRounds[index] ?? 0) + 1));
  }
  return [calls.map(({ element }) => sought(element.transactionId)), lastRounds, elements, rounds, ...columns];
}

function rowOf({ from, to, effect }: EffectRun, now: number): Row {
  const { deliveries, deliveredAt, ifPending, ifFailed } = effect;
  const age = deliveredAt === undefined ? null : now - deliveredAt;
  return [from, to, deliveries, age, ...handledOf(ifPending, now), ...failedOf(ifPending, now), ...handledOf(ifFailed, now)];
}

function handledOf(outcome: Outcome | undefined, now: number): readonly [age: number | null, reply: string | null] {
  if (outcome?.kind !== 'handled') return [null, null];
  return [now - outcome.at, outcome.reply?.toWellFormed() ?? null];
}

function failedOf(outcome: Outcome | undefined, now: number): readonly [age: number | null, error: string | null] {
  return outcome?.kind === 'failed' ? [now - outcome.at, JSON.stringify(outcome.error)] : [null, null];
}

function positionOf(answer: MarkAnswer): MarkedPosition | typeof BUSY {
  if (answer === 'busy') return BUSY;
  if (answer === null) return undefined;
  const [lastSequence, ackedSequence] = answer;
  return { lastSequence, ackedSequence };
}
