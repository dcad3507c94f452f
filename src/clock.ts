/**
 * Time as a parameter: the wall clock and its timers, so that tests can turn both by hand.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Milliseconds since no particular moment: they go on evenly, whoever sets the clock. */
  steady(): number;
  /**
   * Calls back once after `delayMs`, which must be at most {@link LONGEST_DELAY_MS}. A pending timer does not keep the
   * process alive.
   */
  after(delayMs: number, callback: () => void): Timer;
}

/** Node fires a timer of more than 2^31-1 ms at once; no delay may exceed it. */
export const LONGEST_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
