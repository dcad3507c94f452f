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

export class MemoryTickets {
  readonly #byHash = new Map<string, MemoryTicket>();
  readonly #byTransaction = new Map<MemoryTransaction, Set<MemoryTicket>>();
  readonly #connections = new Map<MemoryTicket, string>();
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
    return this.#connections.get(ticket);
  }

  bind(ticket: MemoryTicket, connectionId: string): void {
    this.#connections.set(ticket, connectionId);
    addTo(this.#byConnection, connectionId, ticket);
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
      if (ticket.expiresAt <= now && !this.#connections.has(ticket)) this.#drop(ticket);
    }
  }

  #drop(ticket: MemoryTicket): void {
    const connectionId = this.#connections.get(ticket);
    if (connectionId !== undefined) removeFrom(this.#byConnection, connectionId, ticket);
    this.#connections.delete(ticket);
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
