/**
 * Keeps in the database of which transactions this node has readers, so that others ring it for these and for no other. Written
 * behind, many in a commit: who comes is registered at once, who leaves may come back in a moment.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import type { Pool } from '../../postgres/pool.ts';
import { isRingable } from './ringable.ts';

/** Of transactions in one commit. */
const SLICE = 1_000;
/** How long a row of one that left stays; rings for it come in vain. */
const LINGER_MS = 1_000;
const RETRY_MS = 1_000;

const SAVE = { name: 'save_readers', text: 'SELECT ringback.save_readers($1, $2, $3)' };

export interface RegistrationOptions {
  readonly pool: Pick<Pool, 'query'>;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether there are readers here now. */
  readonly isWanted: (transactionId: string) => boolean;
  /** Whether the database counts this node among the living. Registering waits until it does. */
  readonly isHere: () => boolean;
  /**
   * Called when these were committed: from now on rings for them come. Those before it may not have come. One that is not there
   * any more, and so has no row, is among them: whoever looks then sees it.
   */
  readonly onRegistered: (transactionIds: readonly string[]) => void;
}

export class Registration implements AsyncDisposable {
  readonly #options: RegistrationOptions;
  /** With a row in the database, where they are there. */
  readonly #registered = new Set<string>();
  /** To be looked at: a row may be missing, or one too many. */
  readonly #changed = new Set<string>();
  /** Counts how often all rows were given up for lost. */
  #age = 0;
  #later: Timer | undefined;
  #run: Promise<void> | undefined;
  #isDisposed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** The first reader of a transaction has come. */
  come(transactionId: string): void {
    if (this.#isDisposed || this.#registered.has(transactionId) || !isRingable(transactionId)) return;
    this.#changed.add(transactionId);
    this.#start();
  }

  /** The last one has left. */
  leave(transactionId: string): void {
    if (this.#isDisposed || !isRingable(transactionId)) return;
    this.#changed.add(transactionId);
    this.#startLater(LINGER_MS);
  }

  /** The rows may be gone: these are all that are wanted now. */
  begin(transactionIds: Iterable<string>): void {
    if (this.#isDisposed) return;
    this.#age++;
    this.#registered.clear();
    for (const transactionId of transactionIds) if (isRingable(transactionId)) this.#changed.add(transactionId);
    this.#start();
  }

  /** Writes nothing more: a node that has left needs no rows. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#later?.cancel();
    await this.#run;
  }

  #takeSlice(): readonly string[] {
    const slice: string[] = [];
    for (const transactionId of this.#changed) {
      if (slice.push(transactionId) === SLICE) break;
    }
    for (const transactionId of slice) this.#changed.delete(transactionId);
    return slice;
  }

  #start(): void {
    this.#run ??= this.#writeAll();
  }

  #startLater(delayMs: number): void {
    if (this.#isDisposed) return;
    this.#later ??= this.#options.clock.after(delayMs, () => {
      this.#later = undefined;
      this.#start();
    });
  }

  async #writeAll(): Promise<void> {
    // Whoever else comes in this turn comes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    try {
      while (this.#changed.size > 0 && !this.#isDisposed && this.#options.isHere()) await this.#write();
    } catch (error) {
      this.#options.logger.debug({ event: 'readers.not_registered', error: String(error) });
    } finally {
      // Same tick as the loop's last look: whoever comes later starts it again.
      this.#run = undefined;
      if (this.#changed.size > 0) this.#startLater(RETRY_MS);
    }
  }

  async #write(): Promise<void> {
    const { pool, isWanted, onRegistered, node } = this.#options;
    const slice = this.#takeSlice();
    const wanted = slice.filter((id) => isWanted(id) && !this.#registered.has(id));
    const left = slice.filter((id) => !isWanted(id));
    // Now, since who comes back while the row is being removed has to be registered again.
    for (const transactionId of left) this.#registered.delete(transactionId);
    const age = this.#age;
    try {
      if (wanted.length + left.length > 0) await pool.query(SAVE, [wanted, left, node]);
    } catch (error) {
      for (const transactionId of slice) this.#changed.add(transactionId);
      throw error;
    }
    // Between, all rows were given up for lost, and these may have been among them.
    if (age !== this.#age) {
      for (const transactionId of wanted) this.#changed.add(transactionId);
      return;
    }
    for (const transactionId of wanted) this.#registered.add(transactionId);
    if (wanted.length > 0) onRegistered(wanted);
  }
}
