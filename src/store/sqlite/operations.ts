/** Each method of the port on the tables. Runs inside a transaction that somebody else begins and commits. */
import type { DatabaseSync } from 'node:sqlite';
import { forgottenSince, stateAt } from '../lifetime.ts';
import { receive } from '../receive.ts';
import type { Intake } from '../receive.ts';
import type { MailboxPosition, NewTransaction, OpenResult, StoreLimits, SweepResult, TransactionRecord } from '../store.ts';
import { Capabilities, Connections, Tickets } from './access.ts';
import type { Operations, Read, Write } from './calls.ts';
import { Events } from './events.ts';
import { Mailbox } from './mailbox.ts';
import { MessageLog } from './message-log.ts';
import { Parking } from './parking.ts';
import { touch } from './schema.ts';
import { Transactions } from './transactions.ts';
import type { DescribedRow, TransactionRow } from './transactions.ts';

/** Messages that one sweep removes: as long as that takes, and the erasing of their bytes, everybody else waits. */
const MOST_SWEPT = 300;

interface Tables {
  readonly transactions: Transactions;
  readonly mailbox: Mailbox;
  readonly events: Events;
  readonly parking: Parking;
  readonly tokens: Capabilities;
  readonly callbacks: Capabilities;
  readonly tickets: Tickets;
  readonly connections: Connections;
  /** Told when rows of a transaction, or those of a parked message, were deleted. */
  readonly onRemoved: () => void;
}

export interface AllOperations {
  readonly reads: Operations<Read>;
  readonly writes: Operations<Write>;
  /** Adds to a commit of so many writes what is due of those before. */
  readonly complete: (writes: number) => void;
  /** To be called when what was written will not be committed. */
  readonly undone: () => void;
  /** Whether rows whose bytes have to go were deleted since this was last asked. */
  readonly takeRemoved: () => boolean;
}

export function prepareOperations(database: DatabaseSync, limits: StoreLimits): AllOperations {
  const transactions = new Transactions(database, limits);
  const log = new MessageLog(database);
  const mailbox = new Mailbox(database, log, limits);
  const parking = new Parking(database, log, limits);
  let hasRemoved = false;
  const tables: Tables = {
    transactions,
    mailbox,
    events: new Events(database, limits.dedupeMs),
    parking,
    tokens: new Capabilities(database, 'tokens'),
    callbacks: new Capabilities(database, 'callbacks'),
    tickets: new Tickets(database),
    connections: new Connections(database),
    onRemoved: () => {
      hasRemoved = true;
    },
  };
  const since = (now: number): number => forgottenSince(now, limits.retentionMs);
  return {
    reads: readsOf(tables, since),
    writes: {
      ...lifeOf(tables),
      ...mailboxWritesOf(tables),
      ...receptionOf(tables),
      ...accessOf(tables, since),
      check: () => touch(database),
    },
    undone() {
      transactions.reset();
      mailbox.reset();
      parking.reset();
    },
    complete: (writes) => log.fileSome(writes),
    takeRemoved() {
      const taken = hasRemoved;
      hasRemoved = false;
      return taken;
    },
  };
}

function readsOf(tables: Tables, since: (now: number) => number): Operations<Read> {
  const { transactions, mailbox, tokens, callbacks, tickets } = tables;
  return {
    read(now, id, options) {
      const found = transactions.find(id, now);
      if (found === undefined) return undefined;
      const tokenIsGood = options.tokenId === undefined || tokens.hashOf(found.tx, options.tokenId) !== undefined;
      const position = positionOf(tables, found, now);
      const after = options.after === 'acked' ? position.ackedSequence : options.after;
      return { ...position, messages: mailbox.messages(found, { ...options, after }), tokenIsGood };
    },
    receipt(now, id, messageId) {
      const found = transactions.find(id, now);
      return found === undefined ? undefined : mailbox.receipt(found, messageId, now);
    },
    versions: (now, ids) => ids.map((id) => mailbox.version(transactions.find(id, now))),
    transaction(now, id) {
      const found = transactions.describe(id, now);
      return found === undefined ? undefined : recordOf(tables, found, now);
    },
    transactionsByReference: (now, reference) =>
      transactions.byReference(reference, now).map((row) => recordOf(tables, row, now)),
    findToken(now, hash) {
      const found = tokens.find(hash, since(now));
      return found === undefined ? undefined : { transactionId: found.transactionId, tokenId: found.id };
    },
    findCallback: (now, hash) => callbacks.find(hash, since(now))?.transactionId,
    findTicket(now, hash) {
      const found = tickets.find(hash, since(now), now);
      if (found === undefined) return undefined;
      const { transactionId, tokenId, connectionId } = found;
      return {
        transactionId,
        ...(tokenId === undefined ? {} : { tokenId }),
        ...(connectionId === undefined ? {} : { connectionId }),
      };
    },
  };
}

function lifeOf(tables: Tables): Operations<'open' | 'settle' | 'forget' | 'sweep'> {
  const { transactions, mailbox } = tables;
  return {
    open: (now, wanted) => open(tables, wanted, now),
    settle(now, id) {
      const found = transactions.find(id, now);
      if (found !== undefined) mailbox.changes.note(found.tx);
      return found === undefined ? undefined : transactions.settle(found, now);
    },
    forget(now, id) {
      const found = transactions.find(id, now);
      if (found !== undefined) remove(tables, found, now);
      return found !== undefined;
    },
    sweep: (now, limit) => sweep(tables, limit, now),
  };
}

function mailboxWritesOf({ transactions, mailbox }: Tables): Operations<'append' | 'mark'> {
  return {
    append(now, message) {
      const found = transactions.find(message.transactionId, now);
      if (found === undefined) return { outcome: 'unknown' };
      const result = mailbox.append(found, message, now);
      return result.outcome === 'stored' ? [result.message.id, result.message.sequence, now] : result;
    },
    mark: (now, list) =>
      list.map(({ transactionId, marks }) => {
        const found = transactions.find(transactionId, now);
        return found === undefined ? undefined : mailbox.mark(found.tx, marks);
      }),
  };
}

function receptionOf({ transactions, mailbox, events, parking }: Tables): Operations<'receive'> {
  const intake: Intake<TransactionRow> = {
    isKnown: (hash, now) => events.isKnown(hash, now),
    note: (hash, now) => events.note(hash, now),
    find(recipient, now) {
      if (!('reference' in recipient)) return transactions.find(recipient.transactionId, now);
      const { reference } = recipient;
      return transactions.openByReference(reference, now) ?? transactions.latestByReference(reference, now);
    },
    append: (transaction, message, now) => mailbox.append(transaction, message, now),
    park: (message) => parking.park(message),
  };
  return { receive: (now, event) => receive(intake, event, now) };
}

function accessOf(
  { transactions, mailbox, tokens, callbacks, tickets, connections }: Tables,
  since: (now: number) => number,
): Operations<'addToken' | 'revokeToken' | 'addCallback' | 'revokeCallback' | 'addTicket' | 'bindTicket' | 'saveConnections'> {
  return {
    addToken(now, id, token) {
      const found = transactions.find(id, now);
      if (found !== undefined) tokens.add(found.tx, token);
      return found !== undefined;
    },
    revokeToken(now, id, tokenId) {
      const found = transactions.find(id, now);
      if (found === undefined || !tokens.revoke(found.tx, tokenId)) return false;
      tickets.dropOfToken(found.tx, tokenId);
      mailbox.changes.note(found.tx);
      return true;
    },
    addCallback(now, id, callback) {
      const found = transactions.find(id, now);
      if (found !== undefined) callbacks.add(found.tx, callback);
      return found !== undefined;
    },
    revokeCallback(now, id, callbackId) {
      const found = transactions.find(id, now);
      return found !== undefined && callbacks.revoke(found.tx, callbackId);
    },
    addTicket(now, ticket) {
      const found = transactions.find(ticket.transactionId, now);
      if (found === undefined) return false;
      if (ticket.tokenId !== undefined && tokens.hashOf(found.tx, ticket.tokenId) === undefined) return false;
      if (!tickets.add(found.tx, ticket, now)) throw new Error('the hash of a ticket is in use');
      return true;
    },
    bindTicket: (now, hash, connectionId) => tickets.bind({ hash, connectionId }, since(now), now),
    saveConnections(now, { added, removed }) {
      for (const row of added) {
        const found = transactions.find(row.transactionId, now);
        if (found !== undefined) connections.save(found.tx, row);
      }
      for (const id of removed) {
        connections.remove(id);
        tickets.dropOfConnection(id);
      }
    },
  };
}

function open(tables: Tables, wanted: NewTransaction, now: number): OpenResult {
  const { transactions, parking, tokens, callbacks } = tables;
  const { id, reference, token, callback } = wanted;
  const present = transactions.find(id, now);
  if (present !== undefined) {
    // The answer to this very call was lost and it is repeated; with other secrets it is another's id.
    if (tokens.hashOf(present.tx, token.id) !== token.hash) throw new Error('the id of a transaction is in use');
    return { outcome: 'opened', createdAt: present.createdAt, expiresAt: present.expiresAt };
  }
  const forgotten = transactions.findForgotten(id, now);
  if (forgotten !== undefined) remove(tables, forgotten, now);
  if (reference !== undefined && transactions.openByReference(reference, now) !== undefined)
    return { outcome: 'reference_taken' };
  if (!transactions.openCount.hasRoom(now)) return { outcome: 'full' };
  const { tx, expiresAt } = transactions.insert(wanted, now);
  tokens.add(tx, token);
  if (callback !== undefined) callbacks.add(tx, callback);
  if (reference !== undefined) parking.attach(tx, reference, now);
  return { outcome: 'opened', createdAt: now, expiresAt };
}

function sweep(tables: Tables, limit: number, now: number): SweepResult {
  const { transactions, events, parking, tickets } = tables;
  tickets.dropLate(now);
  // One more than wanted tells whether there are more.
  const due = transactions.due(limit + 1, now);
  const forgotten: string[] = [];
  let rows = MOST_SWEPT;
  for (const each of due.slice(0, limit)) {
    rows -= tables.mailbox.deleteSome(each.tx, rows);
    // Its mailbox was longer than what was left, and the next slice goes on with it; nobody will see the rest again.
    if (rows === 0) transactions.condemn(each);
    if (rows === 0) break;
    removeRest(tables, each, now);
    forgotten.push(each.id);
  }
  if (rows < MOST_SWEPT) tables.onRemoved();
  const unclaimed = parking.dropLate(limit, now);
  if (unclaimed.sources.length > 0) tables.onRemoved();
  // A hash says nothing of anybody, so that its bytes need not go at once.
  const moreEvents = events.dropLate(limit, now);
  return { forgotten, unclaimed: unclaimed.sources, more: due.length > forgotten.length || unclaimed.more || moreEvents };
}

function remove(tables: Tables, row: TransactionRow, now: number): void {
  while (tables.mailbox.deleteSome(row.tx, MOST_SWEPT) === MOST_SWEPT);
  removeRest(tables, row, now);
}

function removeRest(
  { transactions, tokens, callbacks, tickets, connections, onRemoved }: Tables,
  row: TransactionRow,
  now: number,
): void {
  for (const table of [tokens, callbacks, tickets, connections]) table.delete(row.tx);
  transactions.delete(row, now);
  onRemoved();
}

function positionOf({ mailbox }: Tables, row: TransactionRow, now: number): MailboxPosition {
  return { state: stateAt(row, now), expiresAt: row.expiresAt, ...mailbox.position(row.tx) };
}

function recordOf(tables: Tables, row: DescribedRow, now: number): TransactionRecord {
  const { id, tx, createdAt, reference, metadata, anonymousOrigin } = row;
  return {
    ...positionOf(tables, row, now),
    id,
    createdAt,
    ...(reference === undefined ? {} : { reference }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(anonymousOrigin === undefined ? {} : { anonymousOrigin }),
    connections: tables.connections.of(tx, id),
  };
}
