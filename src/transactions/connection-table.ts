/**
 * Which connection waits for which transaction, written behind: never on the way of a message. A connection that came and
 * went before its row was written costs nothing.
 *
 * Where nodes share the store, each removes the rows of those that seem dead; one that only seemed so writes its own again.
 */
import type { Clock } from '../clock.ts';
import type { ConnectionRow, Store } from '../store/store.ts';
import { WriteBehind } from './write-behind.ts';

const ROW_DELAY_MS = 50;
/** In one write: work for some milliseconds, however many are to be written again. */
const MOST_ROWS = 1_000;
/** They are written together. */
const ALL = 'connections';

export interface ConnectionTableOptions {
  readonly store: Pick<Store, 'saveConnections'>;
  readonly clock: Clock;
  /**
   * The name of this node, where others share the store: the rows are kept here too, for {@link ConnectionTable.writeAgain}, and
   * those of others are left alone. Default: there are no others.
   */
  readonly node?: string | undefined;
}

export class ConnectionTable implements AsyncDisposable {
  readonly #store: Pick<Store, 'saveConnections'>;
  readonly #node: string | undefined;
  readonly #writer: WriteBehind;
  /** Of every connection that is open here; only where it may have to be written again. */
  readonly #open: Map<string, ConnectionRow> | undefined;
  #added = new Map<string, ConnectionRow>();
  #removed = new Set<string>();
  #isWriting = false;

  constructor(options: ConnectionTableOptions) {
    this.#store = options.store;
    this.#node = options.node;
    if (options.node !== undefined) this.#open = new Map();
    this.#writer = new WriteBehind({ clock: options.clock, delayMs: ROW_DELAY_MS, write: () => this.#write() });
  }

  add(row: ConnectionRow): void {
    this.#open?.set(row.id, row);
    this.#added.set(row.id, row);
    this.#writer.touch(ALL);
  }

  /** Also for a connection that never had a row: its ticket goes. */
  remove(connectionId: string): void {
    this.#open?.delete(connectionId);
    this.#added.delete(connectionId);
    this.#removed.add(connectionId);
    this.#writer.touch(ALL);
  }

  /** Others may have removed our rows: all of them are written once more. */
  writeAgain(): void {
    if (this.#open === undefined || this.#open.size === 0) return;
    for (const [id, row] of this.#open) this.#added.set(id, row);
    this.#writer.touch(ALL);
  }

  /** Waits until the table in the store says what is true now; where the store cannot write, what it said before has to do. */
  async flushIfPossible(): Promise<void> {
    try {
      if (this.#isWriting || this.#added.size > 0 || this.#removed.size > 0) await this.#writer.flush(ALL);
    } catch {
      // The changes are kept, and tried again.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #write(): Promise<void> {
    const added = [...this.#added.values()];
    const removed = [...this.#removed];
    this.#added = new Map();
    this.#removed = new Set();
    this.#isWriting = true;
    const node = this.#node === undefined ? {} : { node: this.#node };
    let done = 0;
    try {
      for (; done < Math.max(added.length, removed.length); done += MOST_ROWS) {
        const end = done + MOST_ROWS;
        await this.#store.saveConnections({ added: added.slice(done, end), removed: removed.slice(done, end), ...node });
      }
    } catch (error) {
      for (const row of added.slice(done))
        if (!this.#removed.has(row.id) && !this.#added.has(row.id)) this.#added.set(row.id, row);
      for (const id of removed.slice(done)) this.#removed.add(id);
      throw error;
    } finally {
      this.#isWriting = false;
    }
  }
}
