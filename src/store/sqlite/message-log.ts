/**
 * The table of messages: one log of all mailboxes, in the order in which messages came. A message of a mailbox is `filed`
 * when it has its row in `mailboxes` too; the others, which are always the last ones of their mailbox, are known here, in
 * memory, and found again in the log after a restart.
 *
 * A commit then writes the end of the log and not a page for each mailbox. Rows are filed when a mark needs them, or many
 * together in the order of the table. Knows nothing of marks, names or limits.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer } from './columns.ts';
import type { Row } from './columns.ts';
import type { MarkColumns } from './mark-columns.ts';

/** What comes after the last message all of whose predecessors are filed: bounds the memory, and the work of a start. */
const LONGEST_TAIL = 32_768;
/** Filed in one commit, at least; else twice what it appends, so that filing is always ahead. */
const LEAST_SHARE = 128;

// The plus takes the type from the sequence: else a name that is written like a number would be taken for that number's row,
// and the row would not be found by the key of the table.
const UNFILED = `
SELECT message, tx, sequence, mailbox_bytes FROM messages WHERE message > ? AND tx IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM mailboxes WHERE mailboxes.tx = messages.tx AND entry = +sequence) ORDER BY message`;

export interface LogEntry {
  readonly id: string;
  readonly type: string;
  readonly data: string;
  /** Epoch milliseconds. */
  readonly storedAt: number;
}

/** Where in a mailbox a message comes. */
export interface Place {
  readonly tx: number;
  readonly sequence: number;
  /** Of the data of this message and all before it. */
  readonly mailboxBytes: number;
}

/** The messages of one mailbox that are not filed: from the first on without a gap. */
interface Unfiled {
  first: number;
  readonly messages: number[];
  readonly bytes: number[];
}

interface Tail {
  /** The key of the next message: never one that was used, also if that message is gone. */
  next: number;
  filedUpTo: number;
  readonly unfiled: Map<number, Unfiled>;
}

/** One round of filing. */
interface Round {
  /** Mailboxes that are still to be filed, the first of them at the end. */
  readonly due: number[];
  /** When it is done, everything up to this message is filed. */
  readonly upTo: number;
}

export class MessageLog {
  readonly #highest: StatementSync;
  readonly #load: StatementSync;
  readonly #insert: StatementSync;
  readonly #get: StatementSync;
  readonly #delete: StatementSync;
  readonly #file: StatementSync;
  readonly #fileMarked: StatementSync;
  readonly #advance: StatementSync;
  #tail: Tail | undefined;
  #round: Round | undefined;

  constructor(database: DatabaseSync) {
    this.#highest = database.prepare('SELECT (SELECT max(message) FROM messages) AS highest, message AS filed FROM filed');
    this.#load = database.prepare(UNFILED);
    this.#insert = database.prepare(
      'INSERT INTO messages (message, stored_at, id, type, data, tx, sequence, mailbox_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#get = database.prepare('SELECT sequence, stored_at, id, type, data FROM messages WHERE message = ?');
    this.#delete = database.prepare('DELETE FROM messages WHERE message = ?');
    this.#file = database.prepare('INSERT INTO mailboxes (tx, entry, target, mailbox_bytes, attempts) VALUES (?, ?, ?, ?, 0)');
    this.#fileMarked = database.prepare(
      `INSERT INTO mailboxes (tx, entry, target, mailbox_bytes, attempts, delivered_at, handled_at, reply, failed_at, error)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#advance = database.prepare('UPDATE filed SET message = ?');
    // At once, so that a start takes the time of it and not the first call.
    this.#tail = this.#loaded();
  }

  /** Adds the next message of a mailbox. When it throws, nothing was added. */
  append(entry: LogEntry, { tx, sequence, mailboxBytes }: Place): void {
    const tail = (this.#tail ??= this.#loaded());
    const { next: message } = tail;
    this.#insert.run(message, entry.storedAt, entry.id, entry.type, entry.data, tx, sequence, mailboxBytes);
    tail.next += 1;
    const unfiled = tail.unfiled.get(tx);
    if (unfiled === undefined) {
      tail.unfiled.set(tx, { first: sequence, messages: [message], bytes: [mailboxBytes] });
    } else {
      unfiled.messages.push(message);
      unfiled.bytes.push(mailboxBytes);
    }
  }

  /** Adds a message of no mailbox yet. Returns its key, which is higher than that of any before it. */
  park({ id, type, data, storedAt }: LogEntry): number {
    const tail = (this.#tail ??= this.#loaded());
    this.#insert.run(tail.next, storedAt, id, type, data, null, null, null);
    tail.next += 1;
    return tail.next - 1;
  }

  /** The last place in a mailbox, if that message is not filed. */
  lastUnfiled(tx: number): Place | undefined {
    const unfiled = this.#unfiledOf(tx);
    if (unfiled === undefined) return undefined;
    const { first, bytes } = unfiled;
    return { tx, sequence: first + bytes.length - 1, mailboxBytes: bytes.at(-1) ?? 0 };
  }

  /** The first message of a mailbox that is not filed; Infinity: all of them are. */
  firstUnfiled(tx: number): number {
    return this.#unfiledOf(tx)?.first ?? Infinity;
  }

  /** The row of a message that is not filed: sequence, stored_at, id, type, data. Undefined: there is no such message. */
  unfiled(tx: number, sequence: number): Row | undefined {
    const unfiled = this.#unfiledOf(tx);
    const message = unfiled?.messages[sequence - unfiled.first];
    return message === undefined ? undefined : this.#get.get(message);
  }

  /** Files what a mailbox has up to a sequence; with these marks, where they are given. */
  file(tx: number, upTo: number, marks?: MarkColumns): void {
    const unfiled = this.#unfiledOf(tx);
    if (unfiled === undefined) return;
    const count = Math.min(upTo - unfiled.first + 1, unfiled.messages.length);
    for (let index = 0; index < count; index += 1) {
      const [message = 0, bytes = 0] = [unfiled.messages[index], unfiled.bytes[index]];
      if (marks === undefined) this.#file.run(tx, unfiled.first + index, message, bytes);
      else this.#fileMarked.run(tx, unfiled.first + index, message, bytes, ...marks);
    }
    if (count <= 0) return;
    if (count === unfiled.messages.length) {
      this.#tail?.unfiled.delete(tx);
      return;
    }
    unfiled.first += count;
    unfiled.messages.splice(0, count);
    unfiled.bytes.splice(0, count);
  }

  /** Files a share of what waits once that is much: to be called in each commit that appends. */
  fileSome(appended: number): void {
    const tail = this.#tail;
    if (tail === undefined) return;
    if (this.#round === undefined && tail.next - tail.filedUpTo <= LONGEST_TAIL) return;
    const round = (this.#round ??= { due: [...tail.unfiled.keys()].toSorted((a, b) => b - a), upTo: tail.next - 1 });
    let left = Math.max(LEAST_SHARE, 2 * appended);
    while (left > 0) {
      const tx = round.due.at(-1);
      if (tx === undefined) return this.#end(round, tail);
      const unfiled = tail.unfiled.get(tx);
      const count = unfiled?.messages.length ?? 0;
      if (unfiled !== undefined) this.file(tx, unfiled.first + left - 1);
      if (count <= left) round.due.pop();
      left -= count;
    }
  }

  /** Deletes the last of what a mailbox has that is not filed. Returns how many. */
  drop(tx: number, most: number): number {
    const unfiled = this.#unfiledOf(tx);
    if (unfiled === undefined) return 0;
    const dropped = unfiled.messages.splice(-most, most);
    unfiled.bytes.splice(-most, most);
    for (const message of dropped) this.#delete.run(message);
    if (unfiled.messages.length === 0) this.#tail?.unfiled.delete(tx);
    return dropped.length;
  }

  /** What was told since the last commit may not have happened; the log itself knows. */
  reset(): void {
    this.#tail = undefined;
    this.#round = undefined;
  }

  #end({ upTo }: Round, tail: Tail): void {
    this.#advance.run(upTo);
    tail.filedUpTo = upTo;
    this.#round = undefined;
  }

  #unfiledOf(tx: number): Unfiled | undefined {
    return (this.#tail ??= this.#loaded()).unfiled.get(tx);
  }

  #loaded(): Tail {
    const row = this.#highest.get() ?? {};
    const filedUpTo = integer(row, 'filed');
    const highest = row['highest'] === null ? 0 : integer(row, 'highest');
    const unfiled = new Map<number, Unfiled>();
    for (const each of this.#load.iterate(filedUpTo)) {
      const tx = integer(each, 'tx');
      const known = unfiled.get(tx) ?? { first: integer(each, 'sequence'), messages: [], bytes: [] };
      known.messages.push(integer(each, 'message'));
      known.bytes.push(integer(each, 'mailbox_bytes'));
      unfiled.set(tx, known);
    }
    return { next: Math.max(highest, filedUpTo) + 1, filedUpTo, unfiled };
  }
}
