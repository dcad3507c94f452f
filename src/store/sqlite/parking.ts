/** The messages that wait for the transaction with their reference. Knows nothing of transactions but their key. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { limitReached } from '../capacity.ts';
import type { Content } from '../capacity.ts';
import type { ParkedMessage } from '../receive.ts';
import type { ReceiveResult, StoreLimits } from '../store.ts';
import { integer, text } from './columns.ts';
import type { MessageLog } from './message-log.ts';

const OF_REFERENCE = 'FROM parked WHERE reference = ? AND parked_at > ?';

export interface Unclaimed {
  readonly sources: readonly string[];
  readonly more: boolean;
}

export class Parking {
  readonly #limits: StoreLimits;
  readonly #log: MessageLog;
  readonly #first: StatementSync;
  readonly #last: StatementSync;
  readonly #park: StatementSync;
  readonly #count: StatementSync;
  readonly #countLate: StatementSync;
  readonly #number: StatementSync;
  readonly #name: StatementSync;
  readonly #unpark: StatementSync;
  readonly #late: StatementSync;
  readonly #dropMessage: StatementSync;
  readonly #drop: StatementSync;
  /** How many rows there are, also late ones; undefined while that is not known. */
  #rows: number | undefined;

  constructor(database: DatabaseSync, log: MessageLog, limits: StoreLimits) {
    this.#limits = limits;
    this.#log = log;
    this.#first = database.prepare(`SELECT messages_before, bytes_before ${OF_REFERENCE} ORDER BY message LIMIT 1`);
    // Late ones count too, so that what is said of those before goes on without a break.
    this.#last = database.prepare(
      `SELECT messages_before + 1 AS messages, bytes_before + bytes AS bytes FROM parked
       WHERE reference = ? ORDER BY message DESC LIMIT 1`,
    );
    this.#park = database.prepare(
      `INSERT INTO parked (reference, message, id, source, parked_at, bytes, messages_before, bytes_before)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#count = database.prepare('SELECT count(*) AS count FROM parked');
    this.#countLate = database.prepare('SELECT count(*) AS count FROM parked WHERE parked_at <= ?');
    this.#number = database.prepare(
      `INSERT INTO mailboxes (tx, entry, target, mailbox_bytes, attempts)
       SELECT ?, row_number() OVER in_order, message, sum(bytes) OVER in_order, 0 ${OF_REFERENCE}
       WINDOW in_order AS (ORDER BY message)`,
    );
    this.#name = database.prepare(
      `INSERT INTO mailboxes (tx, entry, target) SELECT ?, id, row_number() OVER (ORDER BY message) ${OF_REFERENCE}`,
    );
    this.#unpark = database.prepare(`DELETE ${OF_REFERENCE}`);
    this.#late = database.prepare(
      'SELECT reference, message, source FROM parked WHERE parked_at <= ? ORDER BY parked_at, message LIMIT ?',
    );
    this.#dropMessage = database.prepare('DELETE FROM messages WHERE message = ?');
    this.#drop = database.prepare('DELETE FROM parked WHERE reference = ? AND message = ?');
  }

  park({ source, reference, id, type, data, storedAt }: ParkedMessage): ReceiveResult {
    const before = this.#before(reference);
    const bytes = Buffer.byteLength(data);
    const limit = limitReached(this.#waiting(reference, before, storedAt), bytes, this.#limits);
    if (limit !== undefined) return { outcome: 'full', limit };
    if (!this.#hasRoom(storedAt)) return { outcome: 'full', limit: 'parkedMessages' };
    const message = this.#log.park({ id, type, data, storedAt });
    this.#park.run(reference, message, id, source, storedAt, bytes, before.messages, before.bytes);
    this.#added(1);
    return { outcome: 'parked' };
  }

  /** Gives a transaction that is new what waits for it. */
  attach(tx: number, reference: string, now: number): void {
    const since = now - this.#limits.parkMs;
    if (this.#first.get(reference, since) === undefined) return;
    this.#number.run(tx, reference, since);
    this.#name.run(tx, reference, since);
    this.#added(-Number(this.#unpark.run(reference, since).changes));
  }

  /** Drops those that nobody came for in time, oldest first. */
  dropLate(limit: number, now: number): Unclaimed {
    // One more than wanted tells whether there are more.
    const late = this.#late.all(now - this.#limits.parkMs, limit + 1);
    const slice = late.slice(0, limit);
    for (const row of slice) {
      const message = integer(row, 'message');
      this.#dropMessage.run(message);
      this.#drop.run(text(row, 'reference'), message);
    }
    this.#added(-slice.length);
    return { sources: slice.map((row) => text(row, 'source')), more: late.length > slice.length };
  }

  /** What was told since the last count may not have happened. */
  reset(): void {
    this.#rows = undefined;
  }

  /** What has come for a reference up to now, counted from its oldest row. */
  #before(reference: string): Content {
    const row = this.#last.get(reference);
    return row === undefined ? { messages: 0, bytes: 0 } : { messages: integer(row, 'messages'), bytes: integer(row, 'bytes') };
  }

  #waiting(reference: string, all: Content, now: number): Content {
    const first = this.#first.get(reference, now - this.#limits.parkMs);
    if (first === undefined) return { messages: 0, bytes: 0 };
    return {
      messages: all.messages - integer(first, 'messages_before'),
      bytes: all.bytes - integer(first, 'bytes_before'),
    };
  }

  /** Without a count of all but the first time: late ones are few, since the sweep takes them. */
  #hasRoom(now: number): boolean {
    const rows = (this.#rows ??= integer(this.#count.get() ?? {}, 'count'));
    if (rows < this.#limits.parkedMessages) return true;
    return rows - integer(this.#countLate.get(now - this.#limits.parkMs) ?? {}, 'count') < this.#limits.parkedMessages;
  }

  #added(rows: number): void {
    if (this.#rows !== undefined) this.#rows += rows;
  }
}
