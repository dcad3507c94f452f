/**
 * What a list of marks means for the receipts of one transaction. Pure; every store applies the result in its own way, so
 * that the rules of "handled wins over failed" exist once.
 */
import type { JsonText, Mark } from './store.ts';

/** What became of a message. Once handled it stays so; a failed one is handled only by a mark of exactly it. */
export type Outcome =
  | { readonly kind: 'handled'; readonly at: number; readonly reply: JsonText | undefined }
  | { readonly kind: 'failed'; readonly at: number; readonly error: string };

/** The effect of some marks on one message, whatever its receipt says so far. */
export interface Effect {
  /** How often it was handed to a transport. */
  readonly deliveries: number;
  /** When the first of them was; undefined if there were none. */
  readonly deliveredAt: number | undefined;
  /** What becomes of it if it was neither handled nor failed. */
  readonly ifPending: Outcome | undefined;
  /** What becomes of it if it had failed. */
  readonly ifFailed: Outcome | undefined;
}

/** The same effect on a run of messages. */
export interface EffectRun {
  readonly from: number;
  readonly to: number;
  readonly effect: Effect;
}

export interface ReceiptPosition {
  readonly lastSequence: number;
  readonly ackedSequence: number;
}

/** Bounds the work of one round, which is the square of this. */
const MARKS_PER_ROUND = 64;

/**
 * Splits marks into rounds that are to be interpreted and applied one after the other: each with the position that the one
 * before it left.
 */
export function* roundsOf(marks: readonly Mark[]): Generator<readonly Mark[]> {
  for (let start = 0; start < marks.length; start += MARKS_PER_ROUND) yield marks.slice(start, start + MARKS_PER_ROUND);
}

/** The effects of one round, in order of sequence, without overlaps, and only on messages that exist. */
export function effectsOf(marks: readonly Mark[], position: ReceiptPosition): readonly EffectRun[] {
  const spans = marks.map((mark) => spanOf(mark, position));
  const cuts = [...new Set(spans.flatMap((span) => span.cuts))].toSorted((a, b) => a - b);
  const runs: EffectRun[] = [];
  for (const [index, cut] of cuts.entries()) {
    const from = Math.max(cut, 1);
    const to = Math.min((cuts[index + 1] ?? cut + 1) - 1, position.lastSequence);
    if (from > to) continue;
    const effect = effectAt(from, spans);
    if (effect !== undefined) runs.push({ from, to, effect });
  }
  return runs;
}

/** A mark with the sequences at which its meaning changes. */
interface Span {
  readonly mark: Mark;
  /** The first and last sequence it can have an effect on. */
  readonly from: number;
  readonly to: number;
  readonly except: ReadonlySet<number>;
  readonly cuts: readonly number[];
}

const NONE: ReadonlySet<number> = new Set();

function spanOf(mark: Mark, position: ReceiptPosition): Span {
  switch (mark.kind) {
    case 'delivered':
      return { mark, from: mark.from, to: mark.to, except: NONE, cuts: [mark.from, mark.to + 1] };
    case 'failed':
      return { mark, from: mark.sequence, to: mark.sequence, except: NONE, cuts: [mark.sequence, mark.sequence + 1] };
    case 'handled': {
      // Up to the acked sequence nothing is pending, so there only `upTo` itself can still change.
      const from = Math.min(position.ackedSequence + 1, mark.upTo);
      const except = new Set(mark.except.filter((sequence) => sequence >= from && sequence < mark.upTo));
      const holes = [...except].flatMap((sequence) => [sequence, sequence + 1]);
      return { mark, from, to: mark.upTo, except, cuts: [from, ...holes, mark.upTo, mark.upTo + 1] };
    }
  }
}

function effectAt(sequence: number, spans: readonly Span[]): Effect | undefined {
  let deliveries = 0;
  let deliveredAt: number | undefined;
  let ifPending: Outcome | undefined;
  let ifFailed: Outcome | undefined;
  let touched = false;
  for (const { mark, from, to, except } of spans) {
    if (sequence < from || sequence > to || except.has(sequence)) continue;
    touched = true;
    if (mark.kind === 'delivered') {
      deliveries += 1;
      deliveredAt ??= mark.at;
    } else {
      ifPending = next(ifPending, mark, sequence);
      if (mark.kind === 'handled' && mark.upTo === sequence) ifFailed ??= { kind: 'handled', at: mark.at, reply: mark.reply };
    }
  }
  return touched ? { deliveries, deliveredAt, ifPending, ifFailed } : undefined;
}

function next(outcome: Outcome | undefined, mark: Exclude<Mark, { kind: 'delivered' }>, sequence: number): Outcome {
  if (outcome?.kind === 'handled') return outcome;
  if (mark.kind === 'failed') return outcome ?? { kind: 'failed', at: mark.at, error: mark.error };
  const exact = mark.upTo === sequence;
  if (outcome !== undefined && !exact) return outcome;
  return { kind: 'handled', at: mark.at, reply: exact ? mark.reply : undefined };
}
