/** Which transactions of a {@link MemoryStore} have a reference; several may, of which one at most is open. */
import { stateAt } from './lifetime.ts';
import type { MemoryTransaction } from './memory-transaction.ts';

export class MemoryReferences {
  readonly #byReference = new Map<string, Set<MemoryTransaction>>();

  add(transaction: MemoryTransaction): void {
    const { reference } = transaction;
    if (reference === undefined) return;
    const same = this.#byReference.get(reference);
    if (same === undefined) this.#byReference.set(reference, new Set([transaction]));
    else same.add(transaction);
  }

  delete(transaction: MemoryTransaction): void {
    const { reference } = transaction;
    if (reference === undefined) return;
    const same = this.#byReference.get(reference);
    if (same?.delete(transaction) === true && same.size === 0) this.#byReference.delete(reference);
  }

  /** The open one. */
  open(reference: string, now: number): MemoryTransaction | undefined {
    for (const each of this.#byReference.get(reference) ?? []) if (stateAt(each, now) === 'open') return each;
    return undefined;
  }

  /** @param since those that ended up to then are forgotten */
  newestFirst(reference: string, since: number): readonly MemoryTransaction[] {
    const present = [...(this.#byReference.get(reference) ?? [])].filter(({ endsAt }) => endsAt > since);
    // In a set the older one comes first, so that of two from the same millisecond the later opened is the newer one.
    return present.toReversed().toSorted((a, b) => b.createdAt - a.createdAt);
  }
}
