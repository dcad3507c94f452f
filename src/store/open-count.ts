/**
 * How many transactions are open, for the limit on them, without counting each time. Keeps a number that is never too low:
 * expiry makes it too high, so it is counted again when the limit seems reached and something may have expired since.
 */

export interface CountedOpen {
  readonly open: number;
  /** When the first of them ends by its clock; Infinity when none is open. Epoch milliseconds. */
  readonly earliestEnd: number;
}

export class OpenCount {
  readonly #limit: number;
  readonly #count: (now: number) => CountedOpen;
  #known: CountedOpen | undefined;

  /** @param count counts exactly; called seldom */
  constructor(limit: number, count: (now: number) => CountedOpen) {
    this.#limit = limit;
    this.#count = count;
  }

  /** Whether one more may be opened. */
  hasRoom(now: number): boolean {
    let known = (this.#known ??= this.#count(now));
    if (known.open >= this.#limit && known.earliestEnd <= now) known = this.#known = this.#count(now);
    return known.open < this.#limit;
  }

  opened(endsAt: number): void {
    if (this.#known === undefined) return;
    const { open, earliestEnd } = this.#known;
    this.#known = { open: open + 1, earliestEnd: Math.min(earliestEnd, endsAt) };
  }

  /** One that was open by the clock was settled or forgotten. */
  ended(): void {
    if (this.#known !== undefined) this.#known = { ...this.#known, open: this.#known.open - 1 };
  }

  /** What was told since the last count may not have happened; it is counted again when next needed. */
  reset(): void {
    this.#known = undefined;
  }
}
