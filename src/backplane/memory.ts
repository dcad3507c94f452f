/** The doorbell of a single process: rings are function calls. */
import type { Backplane, News, RingListener } from './backplane.ts';
import { Listeners } from './listeners.ts';

export class MemoryBackplane implements Backplane {
  readonly #listeners = new Listeners();

  ring(transactionId: string, news?: News): void {
    this.#listeners.tell(transactionId, news);
  }

  ringHere(transactionId: string): void {
    this.#listeners.tell(transactionId);
  }

  subscribe(transactionId: string, listener: RingListener): () => void {
    this.#listeners.add(transactionId, listener);
    return () => this.#listeners.delete(transactionId, listener);
  }

  subscribed(): Iterable<string> {
    return this.#listeners.transactions();
  }

  isSubscribed(transactionId: string): boolean {
    return this.#listeners.has(transactionId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
  }
}
