/** Which transactions have changed, as numbers that are compared; kept in memory, and bounded. Knows nothing of what changed. */
import { randomInt } from 'node:crypto';

/** Some hundred bytes each. */
const MOST_REMEMBERED = 50_000;

export class Changes<Key> {
  readonly #half: number;
  /** Begins anywhere, so that a number from before a restart is no number of after it. */
  #last = randomInt(2 ** 47);
  /** What is said of those that nothing is remembered of: no lower than anything that was ever said of them. */
  #floor = this.#last;
  #young = new Map<Key, number>();
  #old = new Map<Key, number>();

  constructor(most: number = MOST_REMEMBERED) {
    this.#half = Math.ceil(most / 2);
  }

  note(key: Key): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#floor = this.#last;
    }
    this.#last += 1;
    this.#young.set(key, this.#last);
  }

  /** What it names is gone; whoever comes in its place, with a key of his own, is said another one. */
  drop(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
    this.#last += 1;
    this.#floor = this.#last;
  }

  /** Another one after each {@link note}; now and then another one for no reason. */
  of(key: Key): number {
    return this.#young.get(key) ?? this.#old.get(key) ?? this.#floor;
  }
}
