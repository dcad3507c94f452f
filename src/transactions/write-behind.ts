/**
 * The rhythm of what may be written later: noted now, written together a moment after, one write at a time, and again until
 * it succeeds. What is noted, and what it means to write it, the owner knows.
 */
import type { Clock, Timer } from '../clock.ts';

export interface WriteBehindOptions {
  readonly clock: Clock;
  /** How long something noted may wait for company. */
  readonly delayMs: number;
  /** Takes everything that is noted at the time of the call and writes it; when it rejects, it has put all of it back. */
  readonly write: () => Promise<void>;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4_000;

export class WriteBehind implements AsyncDisposable {
  readonly #options: WriteBehindOptions;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #retryMs = 0;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /** Something was noted: it will be written. */
  touch(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.clock.after(this.#retryMs || this.#options.delayMs, () => {
      this.#timer = undefined;
      // Nobody waits for this write; its failure has armed the next try.
      this.flush().catch(() => undefined);
    });
  }

  /** Writes everything noted before this call. Rejects as the write did; the notes are kept and tried again. */
  flush(): Promise<void> {
    // What is noted while a write runs is not in it, so whoever asks now waits for one more.
    this.#next ??= this.#afterCurrent();
    return this.#next;
  }

  /** Tries once more to write what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush().catch(() => undefined);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #afterCurrent(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    this.#next = undefined;
    this.#writing = this.#write();
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      await this.#options.write();
      this.#retryMs = 0;
    } catch (error) {
      this.#retryMs = Math.min(LONGEST_RETRY_MS, Math.max(FIRST_RETRY_MS, this.#retryMs * 2));
      this.touch();
      throw error;
    } finally {
      this.#writing = undefined;
    }
  }
}
