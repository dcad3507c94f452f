/**
 * Messages, their names and their receipts. Takes a transaction that was found, and knows nothing of who asks. How far the
 * mailboxes are that were used of late is known in memory; nobody else writes to the file.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { limitReached } from '../capacity.ts';
import { Changes } from '../changes.ts';
import { stateAt } from '../lifetime.ts';
import { effectsOf, roundsOf } from '../marks.ts';
import type { EffectRun, ReceiptPosition } from '../marks.ts';
import { newMessageId, sequenceIn } from '../message-id.ts';
import { Recent } from '../recent.ts';
import type { AppendResult, Mark, NewMessage, ReadOptions, Receipt, StoredMessage, StoreLimits } from '../store.ts';
import { integer, integerOrNone, text, textOrNone } from './columns.ts';
import type { Row } from './columns.ts';
import { changesOf, rowOf, UPDATE } from './mark-columns.ts';
import type { MessageLog } from './message-log.ts';
import type { TransactionRow } from './transactions.ts';

/** Sequences are numbers up to this, and names are text, which SQLite sorts after every number. */
const MOST = 0xffff_ffff;

/** Some hundred bytes each. */
const MOST_REMEMBERED = 50_000;

const MESSAGE_FIELDS = 'entry AS sequence, stored_at, id, type, data';
const WITH_MESSAGES = 'FROM mailboxes JOIN messages ON messages.message = mailboxes.target';

const FIRST_PENDING = `
SELECT entry AS sequence FROM mailboxes
WHERE tx = ? AND entry BETWEEN ? AND ${MOST} AND handled_at IS NULL AND failed_at IS NULL ORDER BY entry LIMIT 1`;

const RECEIPT = `
SELECT entry AS sequence, stored_at, id, attempts, delivered_at, handled_at, failed_at, reply, error
${WITH_MESSAGES} WHERE mailboxes.tx = ? AND entry = ?`;

/** What a receipt says of a message that no mark has been made of. */
const UNMARKED: Row = { attempts: 0, delivered_at: null, handled_at: null, failed_at: null, reply: null, error: null };

/** Which messages are asked for, with the start as a number. */
export type Page = ReadOptions & { readonly after: number };

/** How far a mailbox is. */
interface Progress {
  lastSequence: number;
  ackedSequence: number;
  /** Of all data in it. */
  bytes: number;
}

export class Mailbox {
  /** By `tx`. */
  readonly changes = new Changes<number>();
  readonly #limits: StoreLimits;
  readonly #log: MessageLog;
  readonly #last: StatementSync;
  readonly #acked: StatementSync;
  readonly #acknowledge: StatementSync;
  readonly #named: StatementSync;
  readonly #message: StatementSync;
  readonly #after: StatementSync;
  readonly #name: StatementSync;
  readonly #update: StatementSync;
  readonly #firstPending: StatementSync;
  readonly #receipt: StatementSync;
  readonly #deleteMessages: StatementSync;
  readonly #deleteNumbered: StatementSync;
  readonly #deleteRows: StatementSync;
  /** By `tx`. */
  readonly #progress = new Recent<number, Progress>(MOST_REMEMBERED);

  constructor(database: DatabaseSync, log: MessageLog, limits: StoreLimits) {
    this.#limits = { ...limits, messagesPerTransaction: Math.min(limits.messagesPerTransaction, MOST) };
    this.#log = log;
    this.#last = database.prepare(
      `SELECT entry AS sequence, mailbox_bytes FROM mailboxes WHERE tx = ? AND entry BETWEEN 1 AND ${MOST} ORDER BY entry DESC LIMIT 1`,
    );
    this.#acked = database.prepare('SELECT target FROM mailboxes WHERE tx = ? AND entry = 0');
    this.#acknowledge = database.prepare(
      'INSERT INTO mailboxes (tx, entry, target) VALUES (?, 0, ?) ON CONFLICT (tx, entry) DO UPDATE SET target = excluded.target',
    );
    this.#named = database.prepare('SELECT target AS sequence FROM mailboxes WHERE tx = ? AND entry = ?');
    this.#message = database.prepare(`SELECT ${MESSAGE_FIELDS} ${WITH_MESSAGES} WHERE mailboxes.tx = ? AND entry = ?`);
    this.#after = database.prepare(
      `SELECT ${MESSAGE_FIELDS} ${WITH_MESSAGES}
       WHERE mailboxes.tx = ? AND entry > ? AND entry BETWEEN 1 AND ${MOST} ORDER BY entry LIMIT ?`,
    );
    this.#name = database.prepare('INSERT INTO mailboxes (tx, entry, target) VALUES (?, ?, ?)');
    this.#update = database.prepare(UPDATE);
    this.#firstPending = database.prepare(FIRST_PENDING);
    this.#receipt = database.prepare(RECEIPT);
    const first = `FROM mailboxes WHERE tx = ? AND entry BETWEEN 1 AND ${MOST} ORDER BY entry LIMIT ?`;
    this.#deleteMessages = database.prepare(`DELETE FROM messages WHERE message IN (SELECT target ${first})`);
    this.#deleteNumbered = database.prepare(`DELETE FROM mailboxes WHERE tx = ? AND entry IN (SELECT entry ${first})`);
    this.#deleteRows = database.prepare('DELETE FROM mailboxes WHERE tx = ?');
  }

  append(transaction: TransactionRow, wanted: NewMessage, now: number): AppendResult {
    const { tx } = transaction;
    const { key, type, data } = wanted;
    if (!isText(wanted.id) || !isText(key)) throw new TypeError('expected a name without lone surrogates');
    const first = this.#find(tx, key) ?? (wanted.id === key ? undefined : this.#find(tx, wanted.id));
    if (first !== undefined) {
      const message = messageOf(transaction, first);
      return message.type === type && message.data === data ? { outcome: 'duplicate', message } : { outcome: 'conflict' };
    }
    const state = stateAt(transaction, now);
    if (state !== 'open') return { outcome: state };
    const progress = this.#progressOf(tx);
    const bytes = Buffer.byteLength(data);
    const limit = limitReached({ messages: progress.lastSequence, bytes: progress.bytes }, bytes, this.#limits);
    if (limit !== undefined) return { outcome: 'full', limit };
    const sequence = progress.lastSequence + 1;
    const mailboxBytes = progress.bytes + bytes;
    const id = wanted.id ?? newMessageId(sequence);
    this.#log.append({ id, type, data, storedAt: now }, { tx, sequence, mailboxBytes });
    // An id that was made here says itself where its message is.
    if (wanted.id !== undefined) this.#name.run(tx, id, sequence);
    if (key !== undefined && key !== id) this.#name.run(tx, key, sequence);
    progress.lastSequence = sequence;
    progress.bytes = mailboxBytes;
    this.changes.note(tx);
    return { outcome: 'stored', message: { transactionId: transaction.id, id, sequence, type, data, storedAt: now } };
  }

  version(transaction: TransactionRow | undefined): number | undefined {
    return transaction && this.changes.of(transaction.tx);
  }

  position(tx: number): ReceiptPosition {
    const { lastSequence, ackedSequence } = this.#progressOf(tx);
    return { lastSequence, ackedSequence };
  }

  messages(transaction: TransactionRow, { after, limit, maxBytes = Infinity }: Page): readonly StoredMessage[] {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const row of this.#rowsAfter(transaction.tx, after)) {
      if (messages.length >= limit) break;
      const message = messageOf(transaction, row);
      bytes += maxBytes === Infinity ? 0 : Buffer.byteLength(message.data);
      if (messages.length > 0 && bytes > maxBytes) break;
      messages.push(message);
    }
    return messages;
  }

  receipt(transaction: TransactionRow, messageId: string, now: number): Receipt | undefined {
    const { tx } = transaction;
    const sequence = this.#sequenceOf(tx, messageId);
    const row = sequence === undefined ? undefined : (this.#receipt.get(tx, sequence) ?? this.#unmarked(tx, sequence));
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
    const progress = this.#progressOf(tx);
    const before = this.position(tx);
    for (const round of roundsOf(marks)) {
      const runs = effectsOf(round, progress);
      for (const run of runs) this.#apply(tx, run);
      progress.ackedSequence = this.#ackedAfter(tx, runs, progress);
    }
    if (marks.length > 0) this.changes.note(tx);
    if (progress.ackedSequence !== before.ackedSequence) this.#acknowledge.run(tx, progress.ackedSequence);
    return this.position(tx);
  }

  /** Deletes the first messages of a mailbox; when there are fewer than `most`, all else of it too. Returns how many. */
  deleteSome(tx: number, most: number): number {
    const unfiled = this.#log.drop(tx, most);
    const left = most - unfiled;
    const filed = left === 0 ? 0 : Number(this.#deleteMessages.run(tx, left).changes);
    if (filed === left) this.#deleteNumbered.run(tx, tx, left);
    else this.#deleteRows.run(tx);
    this.#progress.delete(tx);
    this.changes.drop(tx);
    return unfiled + filed;
  }

  /** What was told since the last commit may not have happened. */
  reset(): void {
    this.#progress.clear();
    this.#log.reset();
  }

  #progressOf(tx: number): Progress {
    const known = this.#progress.get(tx);
    if (known !== undefined) return known;
    const acked = this.#acked.get(tx);
    const { sequence, bytes } = this.#lastOf(tx);
    const progress = { lastSequence: sequence, ackedSequence: acked === undefined ? 0 : integer(acked, 'target'), bytes };
    this.#progress.set(tx, progress);
    return progress;
  }

  #lastOf(tx: number): { readonly sequence: number; readonly bytes: number } {
    const unfiled = this.#log.lastUnfiled(tx);
    if (unfiled !== undefined) return { sequence: unfiled.sequence, bytes: unfiled.mailboxBytes };
    const row = this.#last.get(tx);
    return row === undefined
      ? { sequence: 0, bytes: 0 }
      : { sequence: integer(row, 'sequence'), bytes: integer(row, 'mailbox_bytes') };
  }

  /** The message that has this name, as its id or key. */
  #find(tx: number, name: string | undefined): Row | undefined {
    const sequence = name === undefined ? undefined : this.#sequenceOf(tx, name);
    return sequence === undefined ? undefined : this.#messageAt(tx, sequence);
  }

  #sequenceOf(tx: number, name: string): number | undefined {
    const named = this.#named.get(tx, name);
    if (named !== undefined) return integer(named, 'sequence');
    const sequence = sequenceIn(name);
    const message = sequence === undefined ? undefined : this.#messageAt(tx, sequence);
    // Anybody can write a text that looks like an id of ours.
    return message === undefined || text(message, 'id') !== name ? undefined : sequence;
  }

  #messageAt(tx: number, sequence: number): Row | undefined {
    return this.#log.unfiled(tx, sequence) ?? this.#message.get(tx, sequence);
  }

  #unmarked(tx: number, sequence: number): Row | undefined {
    const row = this.#log.unfiled(tx, sequence);
    return row === undefined ? undefined : { ...row, ...UNMARKED };
  }

  *#rowsAfter(tx: number, after: number): Generator<Row> {
    const { lastSequence } = this.#progressOf(tx);
    const firstUnfiled = this.#log.firstUnfiled(tx);
    const lastFiled = Math.min(firstUnfiled - 1, lastSequence);
    if (after < lastFiled) yield* this.#after.iterate(tx, after, -1);
    for (let sequence = Math.max(after, lastFiled) + 1; sequence <= lastSequence; sequence += 1) {
      const row = this.#log.unfiled(tx, sequence);
      if (row !== undefined) yield row;
    }
  }

  /** What is not filed yet is filed with its marks: one row written once. */
  #apply(tx: number, { from, to, effect }: EffectRun): void {
    const firstUnfiled = this.#log.firstUnfiled(tx);
    if (from < firstUnfiled) this.#update.run(...changesOf(effect), tx, from, Math.min(to, firstUnfiled - 1));
    if (to < firstUnfiled) return;
    this.#log.file(tx, from - 1);
    this.#log.file(tx, to, rowOf(effect));
  }

  #ackedAfter(tx: number, runs: readonly EffectRun[], { lastSequence, ackedSequence }: Progress): number {
    let acked = ackedSequence;
    for (const { from, to, effect } of runs) {
      if (effect.ifPending === undefined) continue;
      if (from > acked + 1) break;
      acked = Math.max(acked, to);
    }
    if (acked === ackedSequence) return acked;
    const lastFiled = Math.min(this.#log.firstUnfiled(tx) - 1, lastSequence);
    if (acked >= lastFiled) return acked;
    const pending = this.#firstPending.get(tx, acked + 1);
    return pending === undefined ? lastFiled : integer(pending, 'sequence') - 1;
  }
}

/** What is no Unicode would be stored as another text, and two of them as one. */
function isText(name: string | undefined): boolean {
  return name?.isWellFormed() !== false;
}

function messageOf(transaction: TransactionRow, row: Row): StoredMessage {
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
