/**
 * How things look on the outside: names and forms of the HTTP API and the hub. Message data goes through as the text that
 * it is; nothing here parses it.
 */
import type { JsonText, MailboxPage, Receipt, StoredMessage, TransactionRecord, TransactionState } from '../store/store.ts';
import type { ErrorCode, RingbackError } from '../errors.ts';
import { statusOf, type Appended, type MessageStatus } from '../transactions/mailbox.ts';

let lastInstant = NaN;
let lastIsoTime = '';

/** ISO 8601, UTC, milliseconds. The last one is kept: what was committed together has one time. */
export function isoTime(epochMs: number): string {
  if (epochMs !== lastInstant) {
    lastIsoTime = new Date(epochMs).toISOString();
    lastInstant = epochMs;
  }
  return lastIsoTime;
}

/** `{id, sequence, type, data, time}`. */
export function messageJson(message: StoredMessage): JsonText {
  const { id, sequence, type, data, storedAt } = message;
  return `{"id":${JSON.stringify(id)},"sequence":${sequence},"type":"${type}","data":${data},"time":"${isoTime(storedAt)}"}`;
}

export function pageJson(page: MailboxPage): JsonText {
  const messages = page.messages.map(messageJson).join(',');
  const { lastSequence, ackedSequence, state } = page;
  return `{"messages":[${messages}],"lastSequence":${lastSequence},"ackedSequence":${ackedSequence},"state":"${state}"}`;
}

/** The answer to an opening; the only time that its secrets are seen. */
export interface WireOpened {
  readonly id: string;
  readonly accessToken: string;
  readonly tokenId: string;
  readonly expiresAt: string;
  readonly hubUrl: string;
  /** With an API key only. */
  readonly callbackUrl?: string;
  readonly callbackId?: string;
}

export interface WireToken {
  readonly tokenId: string;
  readonly accessToken: string;
}

export interface WireCallback {
  readonly callbackUrl: string;
  readonly callbackId: string;
}

export interface WireSettled {
  readonly id: string;
  readonly state: TransactionState;
}

/** A message as it is shown, its data parsed. */
export interface MessageView {
  readonly id: string;
  readonly sequence: number;
  readonly type: string;
  readonly data: unknown;
  readonly time: string;
}

export interface MailboxPageView {
  readonly messages: readonly MessageView[];
  readonly lastSequence: number;
  readonly ackedSequence: number;
  readonly state: TransactionState;
}

export interface TransactionView extends WireTransaction {
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface ReceiptView extends WireReceipt {
  readonly reply?: unknown;
}

export interface SentView {
  readonly id: string;
  readonly sequence: number;
  /** `stored` when nobody waited, or the page did not answer in time. */
  readonly status: 'stored' | 'handled' | 'failed';
  /** The key had been used for this same message before. */
  readonly duplicate: boolean;
  readonly reply?: unknown;
  readonly error?: string;
}

/** What became of one message of a batch. */
export type BatchResult =
  | (Pick<SentView, 'id' | 'sequence' | 'duplicate'> & { readonly status: 'stored' })
  | { readonly error: WireFailure };

/** Why one message of a batch was not taken: as a request for it alone would have been refused. */
export interface WireFailure {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
}

export interface WireConnection {
  readonly id: string;
  readonly node: string;
  readonly transport: string;
  readonly since: string;
}

export interface WireTransaction {
  readonly id: string;
  readonly state: TransactionState;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly lastSequence: number;
  readonly ackedSequence: number;
  readonly connections: readonly WireConnection[];
  readonly reference?: string;
}

/** @param forOwner also what only the back end may see */
export function transactionJson(record: TransactionRecord, forOwner: boolean): JsonText {
  const wire: WireTransaction = {
    id: record.id,
    state: record.state,
    createdAt: isoTime(record.createdAt),
    expiresAt: isoTime(record.expiresAt),
    lastSequence: record.lastSequence,
    ackedSequence: record.ackedSequence,
    connections: record.connections.map(({ id, node, transport, since }) => ({ id, node, transport, since: isoTime(since) })),
    ...(forOwner && record.reference !== undefined && { reference: record.reference }),
  };
  return withMember(JSON.stringify(wire), 'metadata', forOwner ? record.metadata : undefined);
}

export interface WireReceipt {
  readonly id: string;
  readonly sequence: number;
  readonly status: MessageStatus;
  readonly storedAt: string;
  readonly deliveredAt?: string;
  readonly handledAt?: string;
  readonly attempts: number;
  readonly error?: string;
}

export function receiptJson(receipt: Receipt): JsonText {
  const status = statusOf(receipt);
  const wire: WireReceipt = {
    id: receipt.id,
    sequence: receipt.sequence,
    status,
    storedAt: isoTime(receipt.storedAt),
    ...(receipt.deliveredAt !== undefined && { deliveredAt: isoTime(receipt.deliveredAt) }),
    ...(receipt.handledAt !== undefined && { handledAt: isoTime(receipt.handledAt) }),
    attempts: receipt.attempts,
    ...(status === 'failed' && receipt.error !== undefined && { error: receipt.error }),
  };
  return withMember(JSON.stringify(wire), 'reply', receipt.reply);
}

/** The answer to a send that did not wait, or waited in vain. */
export function storedJson(message: StoredMessage, isDuplicate: boolean): JsonText {
  return `{"id":${JSON.stringify(message.id)},"sequence":${message.sequence},"status":"stored","duplicate":${isDuplicate}}`;
}

/** The answer to a batch. */
export function resultsJson(outcomes: readonly (Appended | RingbackError)[]): JsonText {
  return `{"results":[${outcomes.map(resultJson).join(',')}]}`;
}

function resultJson(outcome: Appended | RingbackError): JsonText {
  if (!('code' in outcome)) return storedJson(outcome.message, outcome.isDuplicate);
  const { code, status, title, message } = outcome;
  const error: WireFailure = { code, status, title, ...(message !== title && { detail: message }) };
  return JSON.stringify({ error });
}

/** The answer to a send that waited until a page had handled the message, or failed to. */
export function outcomeJson(receipt: Receipt, isDuplicate: boolean): JsonText {
  const { id, sequence, reply, error } = receipt;
  const status = statusOf(receipt);
  const failure = status === 'failed' && error !== undefined ? { error } : {};
  const json = JSON.stringify({ id, sequence, status, duplicate: isDuplicate, ...failure });
  return withMember(json, 'reply', status === 'handled' ? reply : undefined);
}

/** Adds a member that is JSON text already to the text of an object that has members. */
function withMember(object: JsonText, name: string, value: JsonText | undefined): JsonText {
  return value === undefined ? object : `${object.slice(0, -1)},"${name}":${value}}`;
}
