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

  isTaken(reference: string | undefined, now: number): boolean {
    const same = reference === undefined ? undefined : this.#byReference.get(reference);
    return same !== undefined && [...same].some((each) => stateAt(each, now) === 'open');
  }

  newestFirst(reference: string): readonly MemoryTransaction[] {
    // In a set the older one comes first, so that of two from the same millisecond the later opened is the newer one.
    return [...(this.#byReference.get(reference) ?? [])].toReversed().toSorted((a, b) => b.createdAt - a.createdAt);
  }
}
