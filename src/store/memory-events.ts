/** Which events of webhooks a {@link MemoryStore} has received, for as long as they are to be known again. */

export class MemoryEvents {
  readonly #dedupeMs: number;
  /** When each was received, by its hash, in order of time; epoch milliseconds. */
  readonly #receivedAt = new Map<string, number>();

  constructor(dedupeMs: number) {
    this.#dedupeMs = dedupeMs;
  }

  isKnown(hash: string, now: number): boolean {
    const receivedAt = this.#receivedAt.get(hash);
    return receivedAt !== undefined && receivedAt + this.#dedupeMs > now;
  }

  note(hash: string, now: number): void {
    // To the end, where it now belongs, if an old one is still there.
    this.#receivedAt.delete(hash);
    this.#receivedAt.set(hash, now);
  }

  /** Drops what is known no more, oldest first. Returns whether there is more of it. */
  dropLate(limit: number, now: number): boolean {
    let left = limit;
    for (const hash of this.#receivedAt.keys()) {
      if (this.isKnown(hash, now)) return false;
      if (left === 0) return true;
      left -= 1;
      this.#receivedAt.delete(hash);
    }
    return false;
  }
}
