/**
 * Which connection waits for which transaction, written behind: never on the way of a message. A connection that came and
 * went before its row was written costs nothing.
 */
import type { Clock } from '../clock.ts';
import type { ConnectionRow, Store } from '../store/store.ts';
import { WriteBehind } from './write-behind.ts';

const ROW_DELAY_MS = 50;

export interface ConnectionTableOptions {
  readonly store: Pick<Store, 'saveConnections'>;
  readonly clock: Clock;
}

export class ConnectionTable implements AsyncDisposable {
  readonly #store: Pick<Store, 'saveConnections'>;
  readonly #writer: WriteBehind;
  #added = new Map<string, ConnectionRow>();
  #removed = new Set<string>();
  #isWriting = false;

  constructor(options: ConnectionTableOptions) {
    this.#store = options.store;
    this.#writer = new WriteBehind({ clock: options.clock, delayMs: ROW_DELAY_MS, write: () => this.#write() });
  }

  add(row: ConnectionRow): void {
    this.#added.set(row.id, row);
    this.#writer.touch();
  }

  /** Also for a connection that never had a row: its ticket goes. */
  remove(connectionId: string): void {
    this.#added.delete(connectionId);
    this.#removed.add(connectionId);
    this.#writer.touch();
  }

  /** Waits until the table in the store says what is true now; where the store cannot write, what it said before has to do. */
  async flushIfPossible(): Promise<void> {
    try {
      if (this.#isWriting || this.#added.size > 0 || this.#removed.size > 0) await this.#writer.flush();
    } catch {
      // The changes are kept, and tried again.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #write(): Promise<void> {
    const added = this.#added;
    const removed = this.#removed;
    if (added.size === 0 && removed.size === 0) return;
    this.#added = new Map();
    this.#removed = new Set();
    this.#isWriting = true;
    try {
      await this.#store.saveConnections({ added: [...added.values()], removed: [...removed] });
    } catch (error) {
      for (const [id, row] of added) if (!this.#removed.has(id)) this.#added.set(id, row);
      for (const id of removed) this.#removed.add(id);
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }
}
