/** Who may reach a transaction: tokens, callbacks, tickets; and the connections that do. Keyed by hashes, and by `tx`. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Capability, ConnectionRow, NewTicket } from '../store.ts';
import { integer, text, textOrNone } from './columns.ts';

export interface Granted {
  readonly id: string;
  readonly transactionId: string;
}

export interface TicketRow {
  readonly transactionId: string;
  readonly tokenId: string | undefined;
  readonly connectionId: string | undefined;
}

/** Secrets of one kind, each of which grants something on one transaction. */
export class Capabilities {
  readonly #add: StatementSync;
  readonly #hashOf: StatementSync;
  readonly #revoke: StatementSync;
  readonly #find: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, table: 'tokens' | 'callbacks') {
    this.#add = database.prepare(`INSERT INTO ${table} (tx, id, hash) VALUES (?, ?, ?)`);
    this.#hashOf = database.prepare(`SELECT hash FROM ${table} WHERE tx = ? AND id = ?`);
    this.#revoke = database.prepare(`DELETE FROM ${table} WHERE tx = ? AND id = ?`);
    this.#find = database.prepare(
      `SELECT ${table}.id, transactions.id AS transaction_id FROM ${table} JOIN transactions USING (tx) WHERE hash = ? AND ends_at > ?`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE tx = ?`);
  }

  /** Adding the same once more changes nothing. */
  add(tx: number, { id, hash }: Capability): void {
    if (this.hashOf(tx, id) !== hash) this.#add.run(tx, id, hash);
  }

  hashOf(tx: number, id: string): string | undefined {
    const row = this.#hashOf.get(tx, id);
    return row === undefined ? undefined : text(row, 'hash');
  }

  revoke(tx: number, id: string): boolean {
    return this.#revoke.run(tx, id).changes !== 0;
  }

  /** @param since a transaction that ended up to then is forgotten */
  find(hash: string, since: number): Granted | undefined {
    const row = this.#find.get(hash, since);
    return row === undefined ? undefined : { id: text(row, 'id'), transactionId: text(row, 'transaction_id') };
  }

  delete(tx: number): void {
    this.#delete.run(tx);
  }
}

export class Tickets {
  readonly #add: StatementSync;
  readonly #find: StatementSync;
  readonly #bind: StatementSync;
  readonly #dropOfToken: StatementSync;
  readonly #dropOfConnection: StatementSync;
  readonly #dropLate: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare(
      `INSERT INTO tickets (hash, tx, token_id, expires_at) VALUES (?, ?, ?, ?)
       ON CONFLICT (hash) DO UPDATE SET hash = hash WHERE tx = excluded.tx`,
    );
    this.#find = database.prepare(
      `SELECT transactions.id AS transaction_id, token_id, connection_id FROM tickets JOIN transactions USING (tx)
       WHERE hash = ? AND ends_at > ? AND (connection_id IS NOT NULL OR tickets.expires_at > ?)`,
    );
    this.#bind = database.prepare(
      `UPDATE tickets SET connection_id = ? WHERE hash = ?
       AND (connection_id = ? OR (connection_id IS NULL AND expires_at > ?))
       AND (SELECT ends_at FROM transactions WHERE transactions.tx = tickets.tx) > ?`,
    );
    this.#dropOfToken = database.prepare('DELETE FROM tickets WHERE tx = ? AND token_id = ?');
    this.#dropOfConnection = database.prepare('DELETE FROM tickets WHERE connection_id = ?');
    this.#dropLate = database.prepare('DELETE FROM tickets WHERE expires_at <= ? AND connection_id IS NULL');
    this.#delete = database.prepare('DELETE FROM tickets WHERE tx = ?');
  }

  /** False: the hash is in use for another transaction. */
  add(tx: number, { hash, tokenId, ttlMs }: NewTicket, now: number): boolean {
    return this.#add.run(hash, tx, tokenId ?? null, now + ttlMs).changes !== 0;
  }

  find(hash: string, since: number, now: number): TicketRow | undefined {
    const row = this.#find.get(hash, since, now);
    if (row === undefined) return undefined;
    const connectionId = textOrNone(row, 'connection_id');
    return { transactionId: text(row, 'transaction_id'), tokenId: textOrNone(row, 'token_id'), connectionId };
  }

  bind({ hash, connectionId }: { readonly hash: string; readonly connectionId: string }, since: number, now: number): boolean {
    return this.#bind.run(connectionId, hash, connectionId, now, since).changes !== 0;
  }

  dropOfToken(tx: number, tokenId: string): void {
    this.#dropOfToken.run(tx, tokenId);
  }

  dropOfConnection(connectionId: string): void {
    this.#dropOfConnection.run(connectionId);
  }

  /** Drops those that waited too long for a connection. */
  dropLate(now: number): void {
    this.#dropLate.run(now);
  }

  delete(tx: number): void {
    this.#delete.run(tx);
  }
}

export class Connections {
  readonly #save: StatementSync;
  readonly #of: StatementSync;
  readonly #remove: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare('REPLACE INTO connections (id, tx, node, transport, since) VALUES (?, ?, ?, ?, ?)');
    this.#of = database.prepare('SELECT id, node, transport, since FROM connections WHERE tx = ? ORDER BY since, id');
    this.#remove = database.prepare('DELETE FROM connections WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM connections WHERE tx = ?');
  }

  save(tx: number, { id, node, transport, since }: ConnectionRow): void {
    this.#save.run(id, tx, node, transport, since);
  }

  of(tx: number, transactionId: string): readonly ConnectionRow[] {
    return this.#of.all(tx).map((row) => ({
      id: text(row, 'id'),
      transactionId,
      node: text(row, 'node'),
      transport: text(row, 'transport'),
      since: integer(row, 'since'),
    }));
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  delete(tx: number): void {
    this.#delete.run(tx);
  }
}

/** What a process that died left behind: its connections, and the tickets that were good for them only. */
export function clearConnections(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE; DELETE FROM connections; DELETE FROM tickets WHERE connection_id IS NOT NULL; COMMIT');
}
