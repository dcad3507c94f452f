/**
 * The doorbell of nodes that share a PostgreSQL database: `NOTIFY` to those nodes that have readers of the transaction, each
 * once, with no payload but its id.
 *
 * Owns no connection: rings go out through the pool and come in where {@link Nodes} listens.
 */
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import type { Nodes } from '../../postgres/nodes.ts';
import type { Pool } from '../../postgres/pool.ts';
import type { Backplane, News, RingListener } from '../backplane.ts';
import { Listeners } from '../listeners.ts';
import { Registration } from './registration.ts';
import { RECEIPT_PREFIX, Ringer } from './ringer.ts';

export interface PostgresBackplaneOptions {
  readonly pool: Pick<Pool, 'query'>;
  readonly nodes: Nodes;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Called when rings of other nodes for these transactions come from now on, and earlier ones may have been missed. Default:
   * they are rung here.
   */
  readonly onListening?: (transactionIds: readonly string[]) => void;
}

export class PostgresBackplane implements Backplane {
  readonly #listeners = new Listeners();
  readonly #nodes: Nodes;
  readonly #registration: Registration;
  readonly #ringer: Ringer;
  readonly #unobserve: () => void;

  constructor({ pool, nodes, clock, logger, onListening }: PostgresBackplaneOptions) {
    const { node } = nodes;
    this.#nodes = nodes;
    this.#ringer = new Ringer({ pool, node, logger });
    this.#registration = new Registration({
      pool,
      node,
      clock,
      logger,
      isWanted: (transactionId) => this.#listeners.has(transactionId),
      isHere: () => nodes.isHere,
      onRegistered: onListening ?? ((transactionIds) => transactionIds.forEach((id) => this.ringHere(id))),
    });
    this.#unobserve = nodes.observe({
      heard: (text) => this.#hear(text),
      deafened: () => this.#registration.begin(this.subscribed()),
    });
  }

  ring(transactionId: string, news?: News): void {
    this.#listeners.tell(transactionId, news);
    if (this.#nodes.hasOthers) this.#ringer.ring(transactionId, news === 'receipt');
  }

  ringHere(transactionId: string): void {
    this.#listeners.tell(transactionId);
  }

  subscribe(transactionId: string, listener: RingListener): () => void {
    this.#listeners.add(transactionId, listener);
    this.#registration.come(transactionId);
    return () => {
      this.#listeners.delete(transactionId, listener);
      if (!this.#listeners.has(transactionId)) this.#registration.leave(transactionId);
    };
  }

  subscribed(): Iterable<string> {
    return this.#listeners.transactions();
  }

  isSubscribed(transactionId: string): boolean {
    return this.#listeners.has(transactionId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unobserve();
    this.#listeners.clear();
    await this.#registration[Symbol.asyncDispose]();
    await this.#ringer[Symbol.asyncDispose]();
  }

  /** `<id> <id> …`, or `r:<id> <id> …`. */
  #hear(text: string): void {
    const isReceipt = text.startsWith(RECEIPT_PREFIX);
    const ids = isReceipt ? text.slice(RECEIPT_PREFIX.length) : text;
    for (const transactionId of ids.split(' ')) this.#listeners.tell(transactionId, isReceipt ? 'receipt' : undefined);
  }
}
