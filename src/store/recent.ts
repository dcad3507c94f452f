/** A bounded memory of what was used of late. Knows nothing of what it holds. */

export class Recent<Key, Value> {
  readonly #half: number;
  #young = new Map<Key, Value>();
  /** The young ones of before: each that is used again is young again, and the others go together. */
  #old = new Map<Key, Value>();

  /** @param most how many it holds; at least half of them are those used last */
  constructor(most: number) {
    this.#half = Math.ceil(most / 2);
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
