/** What the parts of the store contract share: the store that is looked at, and things to put into it. */
import assert from 'node:assert/strict';
import { RingbackError } from '../../src/errors.ts';
import type {
  AppendResult,
  ConnectionRow,
  IncomingEvent,
  NewMessage,
  NewTransaction,
  ReceiveResult,
  Recipient,
  Store,
  StoredMessage,
  StoreLimits,
  TransactionMarks,
} from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  /** The store's own clock. */
  readonly clock: ManualClock;
}

/** A new store each time, with limits that differ from {@link LIMITS} where given. */
export type Start = (limits?: Partial<StoreLimits>) => Promise<StoreUnderTest>;

export const LIMITS: StoreLimits = {
  openTransactions: 1_000,
  messagesPerTransaction: 20_000,
  mailboxBytes: 10_000_000,
  retentionMs: 10_000,
  parkedMessages: 1_000,
  parkMs: 30_000,
  dedupeMs: 50_000,
};
export const TTL_MS = 60_000;

export function transaction(id: string, more: Partial<NewTransaction> = {}): NewTransaction {
  return { id, ttlMs: TTL_MS, token: { id: `token-${id}`, hash: `hash-${id}` }, ...more };
}

export function message(transactionId: string, id: string): NewMessage {
  return { transactionId, id, type: 'note', data: '1' };
}

export function connection(id: string, transactionId: string): ConnectionRow {
  return { id, transactionId, node: 'node', transport: 'WebSockets', since: 5 };
}

/** When {@link handled} says that it was: later than what a test stored before it turned its clock. */
export const HANDLED_AT: number = new ManualClock().now() + 99;

export function handled(transactionId: string, upTo: number): TransactionMarks {
  return { transactionId, marks: [{ kind: 'handled', upTo, except: [], at: HANDLED_AT }] };
}

/** One of the source `acme`, whose message has its name in it. */
export function event(name: string, recipient: Recipient, more: Partial<IncomingEvent> = {}): IncomingEvent {
  return {
    source: 'acme',
    eventHash: `event-${name}`,
    recipient,
    id: `message-${name}`,
    type: 'paid',
    data: `"${name}"`,
    ...more,
  };
}

export function stored(result: AppendResult | ReceiveResult): StoredMessage {
  assert.equal(result.outcome, 'stored');
  return 'message' in result ? result.message : assert.fail();
}

export function isError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RingbackError && error.code === code;
}

export interface Secrets {
  readonly ticket: string;
  readonly callback: string;
  readonly token: string;
  readonly reference: string;
}

/** By every method but `forget` and `open`. */
export async function assertForgotten(
  store: Store,
  id: string,
  { ticket, callback, token, reference }: Secrets = {
    ticket: 'bound',
    callback: 'callback-hash',
    token: `hash-${id}`,
    reference: 'r',
  },
): Promise<void> {
  assert.equal(await store.transaction(id), undefined);
  assert.equal(await store.read(id, { after: 0, limit: 1 }), undefined);
  assert.equal(await store.receipt(id, 'm'), undefined);
  assert.equal(await store.settle(id), undefined);
  assert.deepEqual(await store.append(message(id, 'm')), { outcome: 'unknown' });
  assert.deepEqual(await store.receive(event(`to-${id}`, { transactionId: id })), { outcome: 'unknown' });
  assert.deepEqual(await store.mark(handled(id, 1)), undefined);
  assert.deepEqual(await store.transactionsByReference(reference), []);
  assert.equal(await store.findToken(token), undefined);
  assert.equal(await store.findCallback(callback), undefined);
  assert.equal(await store.findTicket(ticket), undefined);
  assert.equal(await store.bindTicket(ticket, 'connection'), false);
  assert.equal(await store.addToken(id, { id: 'new', hash: 'new' }), false);
  assert.equal(await store.addCallback(id, { id: 'new', hash: 'new' }), false);
  assert.equal(await store.addTicket({ hash: 'new', transactionId: id, ttlMs: 10 }), false);
  assert.equal(await store.revokeToken(id, `token-${id}`), false);
  assert.equal(await store.revokeCallback(id, 'callback'), false);
  await store.saveConnections({ added: [connection('new', id)], removed: [] });
}
