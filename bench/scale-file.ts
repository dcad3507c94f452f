/**
 * Fills the file of a store with transactions that have been used: the quickest way, by SQL on the tables as the store makes
 * them. What comes out is read through the store by who measures. Knows nothing of measuring.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../src/clock.ts';
import { silentLogger } from '../src/logger.ts';
import { SqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { StoreLimits } from '../src/store/store.ts';

export const LIMITS: StoreLimits = {
  openTransactions: 10_000_000,
  // What appends while others are removed goes to one of them.
  messagesPerTransaction: 10_000_000,
  mailboxBytes: 2 ** 40,
  retentionMs: 86_400_000,
  parkedMessages: 100_000,
  parkMs: 86_400_000,
  dedupeMs: 86_400_000,
};

/** Bytes of the data of each message. */
export const DATA_BYTES = 300;
/** Transactions that are in use at the same time: their messages lie mixed in the file. */
const AT_ONCE = 1000;
/** Transactions written by one statement. */
const STEP = 50_000;

export interface Fill {
  readonly transactions: number;
  readonly messagesEach: number;
  /** When all of them expire; epoch milliseconds. */
  readonly endsAt: number;
}

/** Of the transaction with this number, from 1 on: random to look at, so that an index has them in no order. */
export function idOf(number: number): string {
  return `txn_${((number * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}${String(number).padStart(16, '0')}`;
}

/** Numbers are bound as floating point, and here they are divided as integers. */
const NUMBERS = `WITH RECURSIVE
numbers (n) AS (SELECT CAST(? AS INTEGER) UNION ALL SELECT n + 1 FROM numbers WHERE n < CAST(? AS INTEGER))`;
const ID = "printf('txn_%08x%016d', (n * 2654435761) % 4294967296, n)";

const TRANSACTIONS = `${NUMBERS} INSERT INTO transactions (tx, id, created_at, expires_at, ends_at)
SELECT n, ${ID}, :now, :endsAt, :endsAt FROM numbers`;

const TOKENS = `${NUMBERS} INSERT INTO tokens (hash, tx, id)
SELECT lower(hex(randomblob(22))), n, 'tok_' || lower(hex(randomblob(12))) FROM numbers`;

/** The message with number n: of which transaction, and which of its messages. */
const PLACE = `
(n / (CAST(:each AS INTEGER) * ${AT_ONCE})) * ${AT_ONCE} + n % ${AT_ONCE} + 1 AS tx, (n / ${AT_ONCE}) % CAST(:each AS INTEGER) + 1 AS sequence`;

const MESSAGES = `${NUMBERS} INSERT INTO messages (message, stored_at, id, type, data, tx, sequence, mailbox_bytes)
SELECT n + 1, :now, 'msg_' || lower(hex(randomblob(12))) || substr('123456789abcdefghijklmnopqrstuvwxyz', sequence, 1), 'order.paid',
  printf('{"order":%d,"text":"%s"}', n, substr(:text, length(n) + 1)), tx, sequence, sequence * ${DATA_BYTES}
FROM (SELECT n, ${PLACE} FROM numbers)`;

/** In the order of their table: what the store does a bit at a time. Row 0 of each mailbox says that all of it is handled. */
const MAILBOXES = `${NUMBERS} INSERT INTO mailboxes (tx, entry, target, mailbox_bytes, attempts, delivered_at, handled_at)
SELECT t + 1, entry,
  iif(entry = 0, CAST(:each AS INTEGER), (t / ${AT_ONCE}) * ${AT_ONCE} * CAST(:each AS INTEGER) + (entry - 1) * ${AT_ONCE} + t % ${AT_ONCE} + 1),
  iif(entry = 0, NULL, entry * ${DATA_BYTES}), iif(entry = 0, NULL, 1), iif(entry = 0, NULL, :now), iif(entry = 0, NULL, :now)
FROM (SELECT n / (CAST(:each AS INTEGER) + 1) AS t, n % (CAST(:each AS INTEGER) + 1) AS entry FROM numbers)`;

/** Makes a file with handled messages in transactions that are all open. `transactions` must be a multiple of 1,000. */
export async function fillFile(file: string, { transactions, messagesEach: each, endsAt }: Fill): Promise<void> {
  // The tables are made by the store itself.
  await (await openScaleStore(file))[Symbol.asyncDispose]();
  using database = new DatabaseSync(file);
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY');
  const now = Date.now();
  const text = 'd'.repeat(DATA_BYTES - '{"order":,"text":""}'.length);
  const statements = [
    { sql: TRANSACTIONS, from: 1, rows: 1, more: { now, endsAt } },
    { sql: TOKENS, from: 1, rows: 1, more: {} },
    { sql: MESSAGES, from: 0, rows: each, more: { now, each, text } },
    { sql: MAILBOXES, from: 0, rows: each + 1, more: { now, each } },
  ];
  for (let start = 0; start < transactions; start += STEP) {
    const count = Math.min(STEP, transactions - start);
    database.exec('BEGIN');
    for (const { sql, from, rows, more } of statements) {
      database.prepare(sql).run(more, start * rows + from, (start + count) * rows + from - 1);
    }
    database.exec('UPDATE filed SET message = (SELECT max(message) FROM messages); COMMIT');
  }
  // And onto the disk, whose work it would else be while something is measured.
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const descriptor = openSync(file, 'r+');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

export function openScaleStore(file: string, { clock = systemClock, limits = LIMITS } = {}): Promise<SqliteStore> {
  return SqliteStore.open({ file, limits, clock, logger: silentLogger });
}
