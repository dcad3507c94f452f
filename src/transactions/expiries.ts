/**
 * Tells readers when their transactions expire. Most of those ends are far off: such a reader costs a place in a set, and one
 * timer looks at all of them once a minute; only what is due within that minute gets a timer of its own.
 */
import type { Clock, Timer } from '../clock.ts';

const LOOK_EVERY_MS = 60_000;

export interface Expiring {
  /** Epoch milliseconds. Must not change while it is waited for. */
  readonly expiresAt: number;
  /** Called once, never inside {@link Expiries.add}; must not throw. */
  expire(): void;
}

export class Expiries {
  readonly #clock: Clock;
  readonly #far = new Set<Expiring>();
  readonly #near = new Map<Expiring, Timer>();
  #look: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An instant that has passed is told on the next timer turn. */
  add(entry: Expiring): void {
    const leftMs = entry.expiresAt - this.#clock.now();
    if (leftMs <= LOOK_EVERY_MS) {
      this.#near.set(
        entry,
        this.#clock.after(Math.max(0, leftMs), () => this.#onDue(entry)),
      );
      return;
    }
    this.#far.add(entry);
    this.#look ??= this.#clock.after(LOOK_EVERY_MS, this.#onLook);
  }

  /** Nothing happens to one that is not waited for. */
  delete(entry: Expiring): void {
    this.#near.get(entry)?.cancel();
    this.#near.delete(entry);
    if (!this.#far.delete(entry) || this.#far.size > 0) return;
    this.#look?.cancel();
    this.#look = undefined;
  }

  #onDue(entry: Expiring): void {
    this.#near.delete(entry);
    // The clock may have been set back.
    if (this.#clock.now() < entry.expiresAt) this.add(entry);
    else entry.expire();
  }

  /** Also right after a sleep: what has passed meanwhile is due at once. */
  readonly #onLook = (): void => {
    this.#look = undefined;
    const until = this.#clock.now() + LOOK_EVERY_MS;
    for (const entry of this.#far) {
      if (entry.expiresAt > until) continue;
      this.#far.delete(entry);
      this.add(entry);
    }
    if (this.#far.size > 0) this.#look = this.#clock.after(LOOK_EVERY_MS, this.#onLook);
  };
}
