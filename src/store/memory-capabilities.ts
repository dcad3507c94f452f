/** The secrets of one kind in a {@link MemoryStore}, each of which grants something on one transaction. */
import { inUse } from './in-use.ts';
import type { MemoryTransaction } from './memory-transaction.ts';
import type { Capability } from './store.ts';

export interface Granted {
  readonly transaction: MemoryTransaction;
  readonly id: string;
}

export class MemoryCapabilities {
  readonly #kind: 'tokens' | 'callbacks';
  readonly #byHash = new Map<string, Granted>();

  constructor(kind: 'tokens' | 'callbacks') {
    this.#kind = kind;
  }

  /** Adding the same once more changes nothing. @throws internal_error when its id or hash is in use */
  add(transaction: MemoryTransaction, { id, hash }: Capability): void {
    const own = transaction[this.#kind];
    if (own.get(id) === hash) return;
    if (own.has(id) || this.#byHash.has(hash)) throw inUse();
    own.set(id, hash);
    this.#byHash.set(hash, { transaction, id });
  }

  find(hash: string): Granted | undefined {
    return this.#byHash.get(hash);
  }

  revoke(transaction: MemoryTransaction, id: string): boolean {
    const own = transaction[this.#kind];
    const hash = own.get(id);
    if (hash === undefined) return false;
    own.delete(id);
    transaction.touch();
    return this.#byHash.delete(hash);
  }

  dropOf(transaction: MemoryTransaction): void {
    for (const hash of transaction[this.#kind].values()) this.#byHash.delete(hash);
  }
}
