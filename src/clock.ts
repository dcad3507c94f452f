/**
 * Time as a parameter: the wall clock and its timers, so that tests can turn both by hand.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /**
   * Calls back once after `delayMs`, which must be at most {@link LONGEST_DELAY_MS}; for anything further off use
   * {@link Deadline}. A pending timer does not keep the process alive.
   */
  after(delayMs: number, callback: () => void): Timer;
}

/** Node fires a timer of more than 2^31-1 ms at once; no delay may exceed it. */
export const LONGEST_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** A far deadline is looked at again this often: it then survives 2^31-1 ms, sleep, and a clock that was set. */
const LOOK_AGAIN_MS = 60_000;

/** One callback at an instant, however far away. */
export class Deadline implements Disposable {
  readonly #clock: Clock;
  readonly #at: number;
  readonly #callback: () => void;
  #timer: Timer | undefined;

  /** @param at epoch milliseconds; an instant that has passed fires on the next timer turn, never inside the constructor */
  constructor(clock: Clock, at: number, callback: () => void) {
    this.#clock = clock;
    this.#at = at;
    this.#callback = callback;
    this.#arm();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    const left = Math.max(0, this.#at - this.#clock.now());
    this.#timer = this.#clock.after(Math.min(left, LOOK_AGAIN_MS), () => {
      if (this.#clock.now() >= this.#at) this.#callback();
      else this.#arm();
    });
  }
}
