/**
 * Messages as those know them who send, receive and read them: the part of the store port that is about nothing else. Import
 * it from `store.ts`.
 */

/** JSON kept as text: compact, valid, within the limits of size and depth. Nothing in the core parses it. */
export type JsonText = string;

/** A message as the page sees it, with the transaction that it belongs to, which the last hop compares once more. */
export interface StoredMessage {
  readonly transactionId: string;
  readonly id: string;
  /** 1, 2, 3 … without a gap within its transaction; assigned inside the commit. */
  readonly sequence: number;
  readonly type: string;
  readonly data: JsonText;
  /** Epoch milliseconds. */
  readonly storedAt: number;
}

/** The limits on what one mailbox holds, by their names. */
export type MailboxLimit = 'messagesPerTransaction' | 'mailboxBytes';

export interface NewMessage {
  readonly transactionId: string;
  /** Default: made by the store, new and unguessable; two calls without `id` and `key` are two messages. */
  readonly id?: string;
  /** Idempotency key, kept as long as the transaction. A given `id` is one too. */
  readonly key?: string;
  readonly type: string;
  readonly data: JsonText;
}

export type AppendResult =
  /** `duplicate`: the key (or id) had been used with the same type and data; this is the first message of that key. */
  | { readonly outcome: 'stored' | 'duplicate'; readonly message: StoredMessage }
  /** The key (or id) had been used with another type or data. */
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'unknown' | 'settled' | 'expired' }
  | { readonly outcome: 'full'; readonly limit: MailboxLimit };

/** Where a webhook is to go: to the transaction of this id, or to the live one that the app has given this name. */
export type Recipient = { readonly transactionId: string } | { readonly reference: string };

/** What a provider has told, verified. */
export interface IncomingEvent {
  readonly source: string;
  /** SHA-256 of source and event id, base64url: the one thing that outlives its transaction. */
  readonly eventHash: string;
  readonly recipient: Recipient;
  /** Of the message that it becomes. */
  readonly id: string;
  readonly type: string;
  readonly data: JsonText;
}

export type ReceiveResult =
  | { readonly outcome: 'stored'; readonly message: StoredMessage }
  /** No transaction has this reference yet; the one that will be opened with it begins with this message. */
  | { readonly outcome: 'parked' }
  /** The event was received before, whatever became of it. With the open transaction that it is for, if there is one. */
  | { readonly outcome: 'duplicate'; readonly transactionId?: string }
  /** Nothing was kept but the hash of the event. */
  | { readonly outcome: 'settled' | 'expired' }
  /** There is no transaction of this id; nothing was kept. */
  | { readonly outcome: 'unknown' }
  /** Nothing was kept. */
  | { readonly outcome: 'full'; readonly limit: MailboxLimit | 'parkedMessages' };
