/** Messages, their names and their receipts. Takes a transaction that was found, and knows nothing of who asks. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { limitReached } from '../capacity.ts';
import { stateAt } from '../lifetime.ts';
import { effectsOf, roundsOf } from '../marks.ts';
import type { Effect, EffectRun, Outcome, ReceiptPosition } from '../marks.ts';
import type { AppendResult, Mark, NewMessage, ReadOptions, Receipt, StoredMessage, StoreLimits } from '../store.ts';
import { integer, integerOrNone, text, textOrNone } from './columns.ts';
import type { Row } from './columns.ts';
import type { TransactionRow } from './transactions.ts';

/** Sequences are numbers up to this, and names are text, which SQLite sorts after every number. */
const MOST = 0xffff_ffff;

const MESSAGE_FIELDS = 'entry AS sequence, stored_at, id, type, data';
const WITH_MESSAGES = 'FROM mailboxes JOIN messages ON messages.message = mailboxes.target';

/** A bare column is its old value. The parameters are those of {@link changesOf}; Node 22 binds no numbered ones. */
const APPLY = `
UPDATE mailboxes SET
  attempts = attempts + ?,
  delivered_at = coalesce(delivered_at, ?),
  handled_at = CASE WHEN handled_at IS NOT NULL THEN handled_at WHEN failed_at IS NOT NULL THEN ? ELSE ? END,
  reply = CASE WHEN handled_at IS NOT NULL THEN reply WHEN failed_at IS NOT NULL THEN ? ELSE ? END,
  failed_at = CASE WHEN failed_at IS NULL AND handled_at IS NULL THEN ? WHEN ? IS NULL THEN failed_at END,
  error = CASE WHEN failed_at IS NULL AND handled_at IS NULL THEN ? WHEN ? IS NULL THEN error END
WHERE tx = ? AND entry BETWEEN ? AND ?`;

const FIRST_PENDING = `
SELECT entry AS sequence FROM mailboxes
WHERE tx = ? AND entry BETWEEN ? AND ${MOST} AND handled_at IS NULL AND failed_at IS NULL ORDER BY entry LIMIT 1`;

const RECEIPT = `
SELECT entry AS sequence, stored_at, id, attempts, delivered_at, handled_at, failed_at, reply, error
${WITH_MESSAGES} WHERE tx = ? AND entry = ?`;

/** Which messages are asked for, with the start as a number. */
export type Page = ReadOptions & { readonly after: number };

export class Mailbox {
  readonly #limits: StoreLimits;
  readonly #last: StatementSync;
  readonly #acked: StatementSync;
  readonly #acknowledge: StatementSync;
  readonly #named: StatementSync;
  readonly #message: StatementSync;
  readonly #after: StatementSync;
  readonly #insert: StatementSync;
  readonly #number: StatementSync;
  readonly #name: StatementSync;
  readonly #apply: StatementSync;
  readonly #firstPending: StatementSync;
  readonly #receipt: StatementSync;
  readonly #deletes: readonly StatementSync[];

  constructor(database: DatabaseSync, limits: StoreLimits) {
    this.#limits = { ...limits, messagesPerTransaction: Math.min(limits.messagesPerTransaction, MOST) };
    this.#last = database.prepare(
      `SELECT entry AS sequence, mailbox_bytes FROM mailboxes WHERE tx = ? AND entry BETWEEN 1 AND ${MOST} ORDER BY entry DESC LIMIT 1`,
    );
    this.#acked = database.prepare('SELECT target FROM mailboxes WHERE tx = ? AND entry = 0');
    this.#acknowledge = database.prepare(
      'INSERT INTO mailboxes (tx, entry, target) VALUES (?, 0, ?) ON CONFLICT (tx, entry) DO UPDATE SET target = excluded.target',
    );
    this.#named = database.prepare('SELECT target AS sequence FROM mailboxes WHERE tx = ? AND entry = ?');
    this.#message = database.prepare(`SELECT ${MESSAGE_FIELDS} ${WITH_MESSAGES} WHERE tx = ? AND entry = ?`);
    this.#after = database.prepare(
      `SELECT ${MESSAGE_FIELDS} ${WITH_MESSAGES} WHERE tx = ? AND entry > ? AND entry BETWEEN 1 AND ${MOST} ORDER BY entry LIMIT ?`,
    );
    this.#insert = database.prepare('INSERT INTO messages (stored_at, id, type, data) VALUES (?, ?, ?, ?)');
    this.#number = database.prepare('INSERT INTO mailboxes (tx, entry, target, mailbox_bytes, attempts) VALUES (?, ?, ?, ?, 0)');
    this.#name = database.prepare('INSERT INTO mailboxes (tx, entry, target) VALUES (?, ?, ?)');
    this.#apply = database.prepare(APPLY);
    this.#firstPending = database.prepare(FIRST_PENDING);
    this.#receipt = database.prepare(RECEIPT);
    this.#deletes = [
      database.prepare(
        `DELETE FROM messages WHERE message IN (SELECT target FROM mailboxes WHERE tx = ? AND entry BETWEEN 1 AND ${MOST})`,
      ),
      database.prepare('DELETE FROM mailboxes WHERE tx = ?'),
    ];
  }

  append(transaction: TransactionRow, wanted: NewMessage, now: number): AppendResult {
    const { tx } = transaction;
    const { id, key, type, data } = wanted;
    const first = (key === undefined ? undefined : this.#named.get(tx, key)) ?? this.#named.get(tx, id);
    if (first !== undefined) {
      const message = messageOf(transaction, this.#message.get(tx, integer(first, 'sequence')));
      return message.type === type && message.data === data ? { outcome: 'duplicate', message } : { outcome: 'conflict' };
    }
    const state = stateAt(transaction, now);
    if (state !== 'open') return { outcome: state };
    const { sequence: last, bytes: before } = this.#lastOf(tx);
    const bytes = Buffer.byteLength(data);
    const limit = limitReached({ messages: last, bytes: before }, bytes, this.#limits);
    if (limit !== undefined) return { outcome: 'full', limit };
    const sequence = last + 1;
    const { lastInsertRowid } = this.#insert.run(now, id, type, data);
    this.#number.run(tx, sequence, lastInsertRowid, before + bytes);
    this.#name.run(tx, id, sequence);
    if (key !== undefined && key !== id) this.#name.run(tx, key, sequence);
    return { outcome: 'stored', message: { transactionId: transaction.id, id, sequence, type, data, storedAt: now } };
  }

  position(tx: number): ReceiptPosition {
    const acked = this.#acked.get(tx);
    return { lastSequence: this.#lastOf(tx).sequence, ackedSequence: acked === undefined ? 0 : integer(acked, 'target') };
  }

  messages(transaction: TransactionRow, { after, limit, maxBytes = Infinity }: Page): readonly StoredMessage[] {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const row of this.#after.iterate(transaction.tx, Math.min(after, MOST), limit)) {
      const message = messageOf(transaction, row);
      bytes += maxBytes === Infinity ? 0 : Buffer.byteLength(message.data);
      if (messages.length > 0 && bytes > maxBytes) break;
      messages.push(message);
    }
    return messages;
  }

  receipt(transaction: TransactionRow, messageId: string, now: number): Receipt | undefined {
    const named = this.#named.get(transaction.tx, messageId);
    const row = named === undefined ? undefined : this.#receipt.get(transaction.tx, integer(named, 'sequence'));
    // Else the name is a key of a message that has another id.
    if (row === undefined || text(row, 'id') !== messageId) return undefined;
    const times = { deliveredAt: integerOrNone(row, 'delivered_at'), handledAt: integerOrNone(row, 'handled_at') };
    const rest = { failedAt: integerOrNone(row, 'failed_at'), reply: textOrNone(row, 'reply'), error: textOrNone(row, 'error') };
    return {
      id: messageId,
      sequence: integer(row, 'sequence'),
      storedAt: integer(row, 'stored_at'),
      transactionState: stateAt(transaction, now),
      attempts: integerOrNone(row, 'attempts') ?? 0,
      ...given('deliveredAt', times.deliveredAt),
      ...given('handledAt', times.handledAt),
      ...given('failedAt', rest.failedAt),
      ...given('reply', rest.reply),
      ...given('error', rest.error),
    };
  }

  mark(tx: number, marks: readonly Mark[]): ReceiptPosition {
    const before = this.position(tx);
    let position = before;
    for (const round of roundsOf(marks)) position = this.#applyAll(tx, effectsOf(round, position), position);
    if (position.ackedSequence !== before.ackedSequence) this.#acknowledge.run(tx, position.ackedSequence);
    return position;
  }

  delete(tx: number): void {
    for (const each of this.#deletes) each.run(tx);
  }

  #lastOf(tx: number): { readonly sequence: number; readonly bytes: number } {
    const row = this.#last.get(tx);
    return row === undefined
      ? { sequence: 0, bytes: 0 }
      : { sequence: integer(row, 'sequence'), bytes: integer(row, 'mailbox_bytes') };
  }

  #applyAll(tx: number, runs: readonly EffectRun[], { lastSequence, ackedSequence }: ReceiptPosition): ReceiptPosition {
    for (const { from, to, effect } of runs) {
      this.#apply.run(...changesOf(effect), tx, from, to);
    }
    if (!runs.some(({ effect }) => effect.ifPending !== undefined)) return { lastSequence, ackedSequence };
    const pending = this.#firstPending.get(tx, ackedSequence + 1);
    return { lastSequence, ackedSequence: pending === undefined ? lastSequence : integer(pending, 'sequence') - 1 };
  }
}

/** What {@link APPLY} takes before the place: for each column what a failed message gets, and what a pending one. */
function changesOf({ deliveries, deliveredAt, ifPending, ifFailed }: Effect): readonly (string | number | null)[] {
  const [handledAt, reply] = handledColumns(ifPending);
  const [handledAfterAll, replyAfterAll] = handledColumns(ifFailed);
  const [failedAt, error] = failedColumns(ifPending);
  const handled = [handledAfterAll, handledAt, replyAfterAll, reply];
  return [deliveries, deliveredAt ?? null, ...handled, failedAt, handledAfterAll, error, handledAfterAll];
}

function handledColumns(outcome: Outcome | undefined): readonly [at: number | null, reply: string | null] {
  return outcome?.kind === 'handled' ? [outcome.at, outcome.reply ?? null] : [null, null];
}

function failedColumns(outcome: Outcome | undefined): readonly [at: number | null, error: string | null] {
  return outcome?.kind === 'failed' ? [outcome.at, outcome.error] : [null, null];
}

function messageOf(transaction: TransactionRow, row: Row | undefined): StoredMessage {
  if (row === undefined) throw new TypeError('a name in the file has no message');
  return {
    transactionId: transaction.id,
    id: text(row, 'id'),
    sequence: integer(row, 'sequence'),
    type: text(row, 'type'),
    data: text(row, 'data'),
    storedAt: integer(row, 'stored_at'),
  };
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  const empty: { [Key in Name]?: Value } = {};
  return value === undefined ? empty : { ...empty, [name]: value };
}
