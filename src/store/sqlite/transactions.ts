/** The table of transactions: their life and their limit. Knows nothing of messages or of who may do what. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { forgottenSince, stateAt } from '../lifetime.ts';
import type { Lifetime } from '../lifetime.ts';
import { OpenCount } from '../open-count.ts';
import { Recent } from '../recent.ts';
import type { NewTransaction, StoreLimits, TransactionState } from '../store.ts';
import { integer, text, textOrNone } from './columns.ts';
import type { Row } from './columns.ts';

const FIELDS = 'tx, id, created_at, expires_at, ends_at, settled';
const MOST_BY_REFERENCE = 100;
/** Some hundred bytes each. */
const MOST_REMEMBERED = 50_000;

/** What nearly every operation needs to know of a transaction. */
export interface TransactionRow extends Lifetime {
  /** The key of its rows in all tables. */
  readonly tx: number;
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface DescribedRow extends TransactionRow {
  readonly reference: string | undefined;
  readonly metadata: string | undefined;
  readonly anonymousOrigin: string | undefined;
}

export class Transactions {
  readonly openCount: OpenCount;
  /** Rows of those used of late, by id; nobody else writes to the file. */
  readonly #known = new Recent<string, TransactionRow>(MOST_REMEMBERED);
  readonly #retentionMs: number;
  readonly #find: StatementSync;
  readonly #findForgotten: StatementSync;
  readonly #describe: StatementSync;
  readonly #byReference: StatementSync;
  readonly #openByReference: StatementSync;
  readonly #latestByReference: StatementSync;
  readonly #insert: StatementSync;
  readonly #settle: StatementSync;
  readonly #due: StatementSync;
  readonly #condemn: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync, limits: StoreLimits) {
    this.#retentionMs = limits.retentionMs;
    this.#find = database.prepare(`SELECT ${FIELDS} FROM transactions WHERE id = ? AND ends_at > ?`);
    this.#findForgotten = database.prepare(`SELECT ${FIELDS} FROM transactions WHERE id = ? AND ends_at <= ?`);
    this.#describe = database.prepare('SELECT * FROM transactions WHERE id = ? AND ends_at > ?');
    this.#byReference = database.prepare(
      `SELECT * FROM transactions WHERE reference = ? AND ends_at > ? ORDER BY created_at DESC, tx DESC LIMIT ${MOST_BY_REFERENCE}`,
    );
    this.#openByReference = database.prepare(
      `SELECT ${FIELDS} FROM transactions WHERE reference = ? AND ends_at > ? AND settled = 0 LIMIT 1`,
    );
    this.#latestByReference = database.prepare(
      `SELECT ${FIELDS} FROM transactions WHERE reference = ? AND ends_at > ? ORDER BY ends_at DESC, tx DESC LIMIT 1`,
    );
    this.#insert = database.prepare(
      `INSERT INTO transactions (id, created_at, expires_at, ends_at, reference, anonymous_origin, metadata)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#settle = database.prepare('UPDATE transactions SET ends_at = ?, settled = 1 WHERE tx = ?');
    this.#due = database.prepare(`SELECT ${FIELDS} FROM transactions WHERE ends_at <= ? ORDER BY ends_at, tx LIMIT ?`);
    this.#condemn = database.prepare('UPDATE transactions SET ends_at = 0 WHERE tx = ?');
    this.#delete = database.prepare('DELETE FROM transactions WHERE tx = ?');
    // Apart, since the least is found at once, and counting alone is much quicker.
    const count = database.prepare(
      `SELECT (SELECT count(*) FROM transactions WHERE ends_at > ?) AS open,
       (SELECT min(ends_at) FROM transactions WHERE ends_at > ?) AS earliest`,
    );
    this.openCount = new OpenCount(limits.openTransactions, (now) => {
      const row = count.get(now, now) ?? {};
      return { open: integer(row, 'open'), earliestEnd: row['earliest'] === null ? Infinity : integer(row, 'earliest') };
    });
  }

  /** Undefined: unknown or forgotten. */
  find(id: string, now: number): TransactionRow | undefined {
    const since = forgottenSince(now, this.#retentionMs);
    const known = this.#known.get(id);
    if (known !== undefined) return known.endsAt > since ? known : undefined;
    const row = this.#find.get(id, since);
    if (row === undefined) return undefined;
    const found = transactionRow(row);
    this.#known.set(id, found);
    return found;
  }

  /** One that is forgotten, while its rows are still there. */
  findForgotten(id: string, now: number): TransactionRow | undefined {
    const row = this.#findForgotten.get(id, forgottenSince(now, this.#retentionMs));
    return row === undefined ? undefined : transactionRow(row);
  }

  describe(id: string, now: number): DescribedRow | undefined {
    const row = this.#describe.get(id, forgottenSince(now, this.#retentionMs));
    return row === undefined ? undefined : describedRow(row);
  }

  byReference(reference: string, now: number): readonly DescribedRow[] {
    return this.#byReference.all(reference, forgottenSince(now, this.#retentionMs)).map(describedRow);
  }

  /** There is one at most. */
  openByReference(reference: string, now: number): TransactionRow | undefined {
    const row = this.#openByReference.get(reference, now);
    return row === undefined ? undefined : transactionRow(row);
  }

  /** The one that ended last, where none is open: since one at most is at a time, also the newest. */
  latestByReference(reference: string, now: number): TransactionRow | undefined {
    const row = this.#latestByReference.get(reference, forgottenSince(now, this.#retentionMs));
    return row === undefined ? undefined : transactionRow(row);
  }

  insert(wanted: NewTransaction, now: number): { readonly tx: number; readonly expiresAt: number } {
    const { id, ttlMs, reference = null, anonymousOrigin = null, metadata = null } = wanted;
    const expiresAt = now + ttlMs;
    const { lastInsertRowid } = this.#insert.run(id, now, expiresAt, expiresAt, reference, anonymousOrigin, metadata);
    this.openCount.opened(expiresAt);
    return { tx: Number(lastInsertRowid), expiresAt };
  }

  settle(transaction: TransactionRow, now: number): TransactionState {
    const state = stateAt(transaction, now);
    if (state !== 'open') return state;
    this.#settle.run(now, transaction.tx);
    this.#known.delete(transaction.id);
    this.openCount.ended();
    return 'settled';
  }

  /** It stays forgotten, whatever becomes of the clock and of the time for which ended ones are kept. */
  condemn({ tx, id }: TransactionRow): void {
    this.#condemn.run(tx);
    this.#known.delete(id);
  }

  /** Those that are forgotten, oldest first. */
  due(limit: number, now: number): readonly TransactionRow[] {
    return this.#due.all(forgottenSince(now, this.#retentionMs), limit).map(transactionRow);
  }

  /** What was told since the last commit may not have happened. */
  reset(): void {
    this.openCount.reset();
    this.#known.clear();
  }

  delete(transaction: TransactionRow, now: number): void {
    this.#delete.run(transaction.tx);
    this.#known.delete(transaction.id);
    if (stateAt(transaction, now) === 'open') this.openCount.ended();
  }
}

function transactionRow(row: Row): TransactionRow {
  return {
    tx: integer(row, 'tx'),
    id: text(row, 'id'),
    createdAt: integer(row, 'created_at'),
    expiresAt: integer(row, 'expires_at'),
    endsAt: integer(row, 'ends_at'),
    settled: integer(row, 'settled') === 1,
  };
}

function describedRow(row: Row): DescribedRow {
  return {
    ...transactionRow(row),
    reference: textOrNone(row, 'reference'),
    metadata: textOrNone(row, 'metadata'),
    anonymousOrigin: textOrNone(row, 'anonymous_origin'),
  };
}
