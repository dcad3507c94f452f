/**
 * The time of the database, as nearly as this node can tell: whatever is agreed on between nodes goes by it. Timers are this
 * node's own. A clock of this machine that is set does not change it.
 */
import type { Clock, Timer } from '../clock.ts';

export class DatabaseClock implements Clock {
  readonly #clock: Clock;
  #compared: { readonly databaseMs: number; readonly at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Never ahead of the database by more than the clocks have drifted since they were last compared; before that, this
   * machine's own.
   */
  now(): number {
    if (this.#compared === undefined) return this.#clock.now();
    const { databaseMs, at } = this.#compared;
    return Math.floor(databaseMs + this.steady() - at);
  }

  steady(): number {
    return this.#clock.steady();
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#clock.after(delayMs, callback);
  }

  /** The database has just answered that its time was this; how long the answer took makes us late, never early. */
  compare(databaseMs: number): void {
    this.#compared = { databaseMs, at: this.steady() };
  }
}
