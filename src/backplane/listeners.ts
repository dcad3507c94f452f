/** Who on this node listens to which transaction. Knows no other node. */
import type { News, RingListener } from './backplane.ts';

export class Listeners {
  /** Nearly every transaction has one reader, which then needs no set of its own. */
  readonly #byTransaction = new Map<string, RingListener | Set<RingListener>>();

  tell(transactionId: string, news?: News): void {
    const listeners = this.#byTransaction.get(transactionId);
    if (listeners === undefined) return;
    if (typeof listeners === 'function') listeners(news);
    // A copy, since a listener may unsubscribe itself or subscribe another one.
    else for (const listener of [...listeners]) if (listeners.has(listener)) listener(news);
  }

  add(transactionId: string, listener: RingListener): void {
    const present = this.#byTransaction.get(transactionId);
    if (present === undefined) this.#byTransaction.set(transactionId, listener);
    else if (typeof present === 'function') this.#byTransaction.set(transactionId, new Set([present, listener]));
    else present.add(listener);
  }

  /** Nothing happens to one that is not there. */
  delete(transactionId: string, listener: RingListener): void {
    const present = this.#byTransaction.get(transactionId);
    if (present === listener) this.#byTransaction.delete(transactionId);
    else if (present instanceof Set && present.delete(listener) && present.size === 0) this.#byTransaction.delete(transactionId);
  }

  has(transactionId: string): boolean {
    return this.#byTransaction.has(transactionId);
  }

  /** May be iterated while it changes. */
  transactions(): Iterable<string> {
    return this.#byTransaction.keys();
  }

  clear(): void {
    this.#byTransaction.clear();
  }
}
