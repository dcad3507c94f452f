/**
 * What became of messages, written behind: deliveries, acks and failures are noted here and reach the store a moment later,
 * those of one transaction together, and none waits for those of another. Whoever needs the truth now flushes first.
 */
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import type { JsonText, Mark, MarkedPosition, Store } from '../store/store.ts';
import { WriteBehind } from './write-behind.ts';

/** How long a mark waits for others. A crash loses at most the marks of this time, which costs redeliveries. */
const MARK_DELAY_MS = 25;
/** Marks held while the store cannot write; beyond it acks are refused, so that an outage costs bounded memory. */
const MAX_PENDING_MARKS = 200_000;
/** In one call: what the store does for one grows faster than their number, and a call that is too long fails each time. */
const MOST_MARKS = 512;

/** Told where the receipt of a transaction stands after marks of it were committed. */
export type PositionListener = (position: MarkedPosition) => void;

export interface Handled {
  readonly upTo: number;
  /** Messages below it that this ack does not cover. */
  readonly except: readonly number[];
  readonly reply?: JsonText;
}

export interface ReceiptsOptions {
  readonly store: Pick<Store, 'mark'>;
  readonly clock: Clock;
  /** Rung when messages were handled or have failed. Absent where nobody waits for that on another node. */
  readonly backplane?: Pick<Backplane, 'ring'> | undefined;
}

export class Receipts implements AsyncDisposable {
  readonly #store: Pick<Store, 'mark'>;
  readonly #clock: Clock;
  readonly #backplane: Pick<Backplane, 'ring'> | undefined;
  readonly #writer: WriteBehind;
  readonly #listeners = new Map<string, Set<PositionListener>>();
  readonly #pending = new Map<string, Mark[]>();
  readonly #writing = new Set<string>();
  #pendingMarks = 0;

  constructor(options: ReceiptsOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#backplane = options.backplane;
    this.#writer = new WriteBehind({ clock: options.clock, delayMs: MARK_DELAY_MS, write: (id) => this.#write(id) });
  }

  /** A message was handed to a transport. */
  delivered(transactionId: string, sequence: number): void {
    const marks = this.#pending.get(transactionId);
    const last = marks?.at(-1);
    const at = this.#clock.now();
    // Only those of one instant: a time that stands for several could lie before the message itself.
    if (marks !== undefined && last?.kind === 'delivered' && last.to === sequence - 1 && last.at === at) {
      marks[marks.length - 1] = { kind: 'delivered', from: last.from, to: sequence, at };
      return;
    }
    // Deliveries are counted, not promised: when there is no room, they are what is left out.
    if (this.#pendingMarks < MAX_PENDING_MARKS)
      this.#note(transactionId, { kind: 'delivered', from: sequence, to: sequence, at });
  }

  /** @throws RingbackError store_unavailable, when the store has been away for so long that no more can be held */
  handled(transactionId: string, handled: Handled): void {
    this.#noteOrRefuse(transactionId, { kind: 'handled', ...handled, at: this.#clock.now() });
  }

  /** @throws RingbackError store_unavailable, as {@link handled} */
  failed(transactionId: string, sequence: number, error: string): void {
    this.#noteOrRefuse(transactionId, { kind: 'failed', sequence, error, at: this.#clock.now() });
  }

  /** Waits until every mark of this transaction noted so far is committed. */
  async flush(transactionId: string): Promise<void> {
    if (this.#pending.has(transactionId) || this.#writing.has(transactionId)) await this.#writer.flush(transactionId);
  }

  /** For who only looks: waits as {@link flush}, but where the store cannot write, what is committed has to do. */
  async flushIfPossible(transactionId: string): Promise<void> {
    try {
      await this.flush(transactionId);
    } catch {
      // The marks are kept, and tried again.
    }
  }

  /** Calls the listener after each commit of marks of this transaction, until the returned function is called. */
  watch(transactionId: string, listener: PositionListener): () => void {
    let listeners = this.#listeners.get(transactionId);
    if (listeners === undefined) this.#listeners.set(transactionId, (listeners = new Set()));
    listeners.add(listener);
    return () => {
      if (listeners.delete(listener) && listeners.size === 0 && this.#listeners.get(transactionId) === listeners) {
        this.#listeners.delete(transactionId);
      }
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  #noteOrRefuse(transactionId: string, mark: Mark): void {
    if (this.#pendingMarks >= MAX_PENDING_MARKS) throw new RingbackError('store_unavailable');
    if (!isSaid(mark, this.#pending.get(transactionId)?.at(-1))) this.#note(transactionId, mark);
    // Somebody waits for exactly this, so it does not wait for company.
    if (this.#listeners.has(transactionId)) this.#writer.flush(transactionId).catch(() => undefined);
  }

  #note(transactionId: string, mark: Mark): void {
    const marks = this.#pending.get(transactionId);
    if (marks === undefined) this.#pending.set(transactionId, [mark]);
    else marks.push(mark);
    this.#pendingMarks++;
    this.#writer.touch(transactionId);
  }

  async #write(transactionId: string): Promise<void> {
    const marks = this.#pending.get(transactionId);
    if (marks === undefined) return;
    this.#pending.delete(transactionId);
    this.#writing.add(transactionId);
    let written = 0;
    try {
      while (written < marks.length) {
        const some = marks.slice(written, written + MOST_MARKS);
        const position = await this.#store.mark({ transactionId, marks: some });
        written += some.length;
        this.#pendingMarks -= some.length;
        this.#tell(transactionId, position);
        // That something was delivered nobody waits for.
        if (some.some(({ kind }) => kind !== 'delivered')) this.#backplane?.ring(transactionId, 'receipt');
      }
    } catch (error) {
      this.#pending.set(transactionId, [...marks.slice(written), ...(this.#pending.get(transactionId) ?? [])]);
      throw error;
    } finally {
      this.#writing.delete(transactionId);
    }
  }

  #tell(transactionId: string, position: MarkedPosition): void {
    for (const listener of [...(this.#listeners.get(transactionId) ?? [])]) listener(position);
  }
}

/** An ack without a reply that repeats the one before it. */
function isSaid(mark: Mark, last: Mark | undefined): boolean {
  if (mark.kind !== 'handled' || mark.reply !== undefined || last?.kind !== 'handled' || mark.upTo !== last.upTo) return false;
  return mark.except.length === last.except.length && mark.except.every((sequence, index) => sequence === last.except[index]);
}
