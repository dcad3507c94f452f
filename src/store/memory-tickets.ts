/** The tickets of a {@link MemoryStore}: who waits with which, and which connection each is good for. */
import type { MemoryTransaction } from './memory-transaction.ts';

export interface MemoryTicket {
  readonly hash: string;
  readonly transaction: MemoryTransaction;
  /** The access token it dies with. */
  readonly tokenId: string | undefined;
  /** How long it may wait for a connection; epoch milliseconds. */
  readonly expiresAt: number;
}

/** What a ticket is bound to. */
interface Holder {
  readonly connectionId: string;
  readonly node: string;
}

export class MemoryTickets {
  readonly #byHash = new Map<string, MemoryTicket>();
  readonly #byTransaction = new Map<MemoryTransaction, Set<MemoryTicket>>();
  readonly #holders = new Map<MemoryTicket, Holder>();
  readonly #byConnection = new Map<string, Set<MemoryTicket>>();

  add(ticket: MemoryTicket): void {
    this.#byHash.set(ticket.hash, ticket);
    addTo(this.#byTransaction, ticket.transaction, ticket);
  }

  find(hash: string): MemoryTicket | undefined {
    return this.#byHash.get(hash);
  }

  /** The connection that a ticket is bound to. */
  connectionOf(ticket: MemoryTicket): string | undefined {
    return this.#holders.get(ticket)?.connectionId;
  }

  /** False: it is bound to another one. */
  bind(ticket: MemoryTicket, holder: Holder): boolean {
    const bound = this.#holders.get(ticket);
    if (bound !== undefined) return bound.connectionId === holder.connectionId && bound.node === holder.node;
    this.#holders.set(ticket, holder);
    addTo(this.#byConnection, holder.connectionId, ticket);
    return true;
  }

  /** Drops the tickets of a transaction, or only those of one of its tokens. */
  dropOf(transaction: MemoryTransaction, tokenId?: string): void {
    for (const ticket of this.#byTransaction.get(transaction) ?? []) {
      if (tokenId === undefined || ticket.tokenId === tokenId) this.#drop(ticket);
    }
  }

  dropBoundTo(connectionId: string): void {
    for (const ticket of this.#byConnection.get(connectionId) ?? []) this.#drop(ticket);
  }

  /** Drops those that waited too long. */
  dropLate(now: number): void {
    for (const ticket of this.#byHash.values()) {
      if (ticket.expiresAt <= now && !this.#holders.has(ticket)) this.#drop(ticket);
    }
  }

  #drop(ticket: MemoryTicket): void {
    const holder = this.#holders.get(ticket);
    if (holder !== undefined) removeFrom(this.#byConnection, holder.connectionId, ticket);
    this.#holders.delete(ticket);
    removeFrom(this.#byTransaction, ticket.transaction, ticket);
    this.#byHash.delete(ticket.hash);
  }
}

function addTo<Key, Value>(sets: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<Key, Value>(sets: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = sets.get(key);
  if (set?.delete(value) === true && set.size === 0) sets.delete(key);
}
