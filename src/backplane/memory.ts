/** The doorbell of a single process: rings are function calls. */
import type { StoredMessage } from '../store/store.ts';
import type { Backplane, RingListener } from './backplane.ts';

export class MemoryBackplane implements Backplane {
  /** Nearly every transaction has one reader, which then needs no set of its own. */
  readonly #listeners = new Map<string, RingListener | Set<RingListener>>();

  ring(transactionId: string, hint?: StoredMessage): void {
    const listeners = this.#listeners.get(transactionId);
    if (listeners === undefined) return;
    if (typeof listeners === 'function') listeners(hint);
    // A copy, since a listener may unsubscribe itself or subscribe another one.
    else for (const listener of [...listeners]) if (listeners.has(listener)) listener(hint);
  }

  subscribe(transactionId: string, listener: RingListener): () => void {
    const present = this.#listeners.get(transactionId);
    if (present === undefined) this.#listeners.set(transactionId, listener);
    else if (typeof present === 'function') this.#listeners.set(transactionId, new Set([present, listener]));
    else present.add(listener);
    return () => this.#unsubscribe(transactionId, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
  }

  #unsubscribe(transactionId: string, listener: RingListener): void {
    const present = this.#listeners.get(transactionId);
    if (present === listener) this.#listeners.delete(transactionId);
    else if (present instanceof Set && present.delete(listener) && present.size === 0) this.#listeners.delete(transactionId);
  }
}
