/**
 * The store port: what is true about transactions, and what every implementation guarantees.
 *
 * **Durable.** A promise of a writing method that resolves means: committed; it survives the death of the process and, where
 * the implementation says so, of the machine. One that rejects means: perhaps committed, perhaps not; repeating it is safe.
 * **Atomic.** Each call is one unit. Calls may share a commit, but never a fate: a row that cannot be written fails alone,
 * and a commit that fails leaves nothing, not even a burnt sequence number.
 * **Errors.** Expected outcomes are return values. What rejects is `RingbackError` `store_unavailable` (disk full,
 * read-only, connection lost, closed), and the store recovers from it by itself as soon as its cause is gone; or
 * `internal_error`, for a call that no caller of ours makes (an id or hash that has to be new and is in use).
 * **Time** is the store's own clock, since several nodes may share it; the state of a transaction follows from it.
 * **Forgotten** means: as if it had never been. A transaction whose retention has passed counts as forgotten everywhere,
 * also before its bytes are removed.
 * **Secrets** arrive here only as hashes.
 */
import type { AppendResult, IncomingEvent, JsonText, NewMessage, ReceiveResult, StoredMessage } from './messages.ts';

export type {
  AppendResult,
  IncomingEvent,
  JsonText,
  MailboxLimit,
  NewMessage,
  ReceiveResult,
  Recipient,
  StoredMessage,
} from './messages.ts';

/** `open` takes messages. `settled` and `expired` take none; they still replay what they have and accept acks. */
export type TransactionState = 'open' | 'settled' | 'expired';

export interface StoreLimits {
  /** Open transactions in the whole store. */
  readonly openTransactions: number;
  readonly messagesPerTransaction: number;
  /** Bytes of message data per transaction, as compact JSON in UTF-8. */
  readonly mailboxBytes: number;
  /** How long a settled or expired transaction still answers. */
  readonly retentionMs: number;
  /** Parked messages in the whole store. */
  readonly parkedMessages: number;
  /** How long a parked message waits for its transaction. */
  readonly parkMs: number;
  /** How long the event of a webhook is known again. */
  readonly dedupeMs: number;
}

/** A secret that grants something, kept as its hash under a public name by which it can be revoked. */
export interface Capability {
  readonly id: string;
  /** SHA-256 of the secret, base64url. */
  readonly hash: string;
}

export interface NewTransaction {
  readonly id: string;
  readonly ttlMs: number;
  readonly token: Capability;
  readonly callback?: Capability;
  readonly reference?: string;
  readonly metadata?: JsonText;
  /** The Origin header of an anonymous opening; absent when an API key opened it. */
  readonly anonymousOrigin?: string;
}

export type OpenResult =
  | { readonly outcome: 'opened'; readonly createdAt: number; readonly expiresAt: number }
  /** An open transaction has this reference. */
  | { readonly outcome: 'reference_taken' }
  /** {@link StoreLimits.openTransactions} is reached. */
  | { readonly outcome: 'full' };

export interface ConnectionRow {
  readonly id: string;
  readonly transactionId: string;
  readonly node: string;
  readonly transport: string;
  /** Epoch milliseconds. */
  readonly since: number;
}

/** How far a mailbox is; the part of a transaction that changes with each message. */
export interface MailboxPosition {
  readonly state: TransactionState;
  readonly expiresAt: number;
  /** 0 before the first message. */
  readonly lastSequence: number;
  /** The highest n such that 1 … n are each handled or failed. */
  readonly ackedSequence: number;
}

export interface TransactionRecord extends MailboxPosition {
  readonly id: string;
  readonly createdAt: number;
  readonly reference?: string;
  readonly metadata?: JsonText;
  readonly anonymousOrigin?: string;
  readonly connections: readonly ConnectionRow[];
}

export interface ReadOptions {
  /** The highest sequence that is not wanted; 0 reads from the start, `acked` from {@link MailboxPosition.ackedSequence}. */
  readonly after: number | 'acked';
  readonly limit: number;
  /** Bounds the data in one page; at least one message is returned however large it is. Default: unbounded. */
  readonly maxBytes?: number;
  /** Also say whether this access token is still good. */
  readonly tokenId?: string;
}

export interface MailboxPage extends MailboxPosition {
  readonly messages: readonly StoredMessage[];
  /** False when {@link ReadOptions.tokenId} was given and that token has been revoked. */
  readonly tokenIsGood: boolean;
}

/** What is known of one message's way to the page. */
export interface Receipt {
  readonly id: string;
  readonly sequence: number;
  readonly storedAt: number;
  readonly transactionState: TransactionState;
  /** First handed to a transport; epoch milliseconds. */
  readonly deliveredAt?: number;
  readonly handledAt?: number;
  readonly failedAt?: number;
  /** Deliveries over all connections. */
  readonly attempts: number;
  readonly reply?: JsonText;
  readonly error?: string;
}

/**
 * One thing that happened to messages on their way, in the order in which it happened. A mark beyond the last sequence
 * applies to what exists.
 */
export type Mark =
  /** Messages `from` … `to` were handed to a transport once more. */
  | { readonly kind: 'delivered'; readonly from: number; readonly to: number; readonly at: number }
  /**
   * Every message up to `upTo` that is neither failed nor in `except` was handled; `upTo` itself was handled even if it had
   * failed (which is then no longer said of it), or is in `except`, and `reply` is its. Handled is final: a second mark
   * changes neither time nor reply.
   */
  | {
      readonly kind: 'handled';
      readonly upTo: number;
      readonly except: readonly number[];
      readonly reply?: JsonText;
      readonly at: number;
    }
  /** The message failed for good; no effect on one that was handled, or had failed before. */
  | { readonly kind: 'failed'; readonly sequence: number; readonly error: string; readonly at: number };

export interface TransactionMarks {
  readonly transactionId: string;
  readonly marks: readonly Mark[];
}

/** Where the receipt of a transaction stands after its marks; undefined for one that is unknown or forgotten. */
export type MarkedPosition = Pick<MailboxPosition, 'lastSequence' | 'ackedSequence'> | undefined;

export interface NewTicket {
  /** SHA-256 of the ticket, base64url. */
  readonly hash: string;
  readonly transactionId: string;
  /** The access token it stands for and dies with; absent where the app itself authenticated the page. */
  readonly tokenId?: string;
  /** How long it may wait for a connection. */
  readonly ttlMs: number;
}

export interface TicketRecord {
  readonly transactionId: string;
  readonly tokenId?: string;
  /** The one connection it is good for; absent while none has attached. */
  readonly connectionId?: string;
}

export interface TokenRecord {
  readonly transactionId: string;
  readonly tokenId: string;
}

export interface ConnectionChanges {
  readonly added: readonly ConnectionRow[];
  /** Connection ids; their tickets go with them. Unknown ones are no error. */
  readonly removed: readonly string[];
  /** Where nodes share the store: what has come to be at another node stays. Default: all are this node's. */
  readonly node?: string;
}

/** What one sweep removed. The bytes of it are gone when a sweep resolves that has no `more`; of a backlog, some slices later. */
export interface SweepResult {
  /** Ids of transactions whose retention had passed. */
  readonly forgotten: readonly string[];
  /** Sources of parked messages that nobody came for in time, one for each message. */
  readonly unclaimed: readonly string[];
  /** True when more are waiting to be removed. */
  readonly more: boolean;
}

export interface Store extends AsyncDisposable {
  /**
   * Creates a transaction with its first token, all at once. What was parked under its reference, from whichever source,
   * becomes its first messages in the same commit, in the order in which it came and with the time at which it came. Repeated
   * with the same id and token it answers as the first time.
   */
  open(transaction: NewTransaction): Promise<OpenResult>;
  /**
   * Adds a message to an open transaction. Looks at the key before the state, so that a repeat after settle or expiry still
   * finds its first message. Ids and keys of a transaction are one namespace. Two appends with one key, however close
   * together, give one message. Within a transaction messages get their sequence in the order of the calls.
   */
  append(message: NewMessage): Promise<AppendResult>;
  /**
   * Takes an event of a webhook, once: knowing it again, and adding or parking its message, are one commit. Of two that race with
   * each other, with `open` or with `settle`, one is first, and nothing falls between them. A reference means the open
   * transaction that has it; without one, the latest ended one that is not forgotten, which takes nothing; without that, the
   * message is parked, within the limits of a mailbox.
   */
  receive(event: IncomingEvent): Promise<ReceiveResult>;
  /** Messages after a position, in order, with the state of their mailbox from the same instant. Undefined: unknown. */
  read(transactionId: string, options: ReadOptions): Promise<MailboxPage | undefined>;
  /** Applies marks in order, and after those of earlier calls for the same transaction. Equal to applying them one at a time. */
  mark(marks: TransactionMarks): Promise<MarkedPosition>;
  receipt(transactionId: string, messageId: string): Promise<Receipt | undefined>;
  /**
   * One number for each transaction, which is another one after anything that a reader or a sender who waits could see: a
   * message, a mark, the end by settle, a revocation. Undefined: unknown. It means nothing else, may change without a reason, and
   * need not change when time alone ends a transaction.
   */
  versions(transactionIds: readonly string[]): Promise<readonly (number | undefined)[]>;

  transaction(transactionId: string): Promise<TransactionRecord | undefined>;
  /** All that have this reference and are not forgotten, newest first, 100 at most; at most one of them is open. */
  transactionsByReference(reference: string): Promise<readonly TransactionRecord[]>;
  /** No more messages. Settling what is settled or expired changes nothing. Returns the state after it; undefined: unknown. */
  settle(transactionId: string): Promise<TransactionState | undefined>;
  /**
   * Removes a transaction with everything that belongs to it. When it resolves, no table or index has anything of it, and
   * an implementation that owns its files has no byte of it in any of them. False: unknown; also for a repeat after one that
   * was committed but whose bytes could not be removed then, and are now.
   */
  forget(transactionId: string): Promise<boolean>;
  /**
   * Forgets what is due, oldest first, at most `limit` of each kind: transactions, parked messages, events. Drops tickets that
   * waited too long.
   */
  sweep(limit: number): Promise<SweepResult>;

  /** False: the transaction is unknown. */
  addToken(transactionId: string, token: Capability): Promise<boolean>;
  /** The token and its tickets are good for nothing from now on. False: there is no such token (any more). */
  revokeToken(transactionId: string, tokenId: string): Promise<boolean>;
  findToken(hash: string): Promise<TokenRecord | undefined>;
  /** False: the transaction is unknown. */
  addCallback(transactionId: string, callback: Capability): Promise<boolean>;
  revokeCallback(transactionId: string, callbackId: string): Promise<boolean>;
  /** The transaction that this callback URL belongs to, in whatever state. */
  findCallback(hash: string): Promise<string | undefined>;

  /** False: the transaction or its token is gone. */
  addTicket(ticket: NewTicket): Promise<boolean>;
  /** Undefined: unknown, waited too long unbound, or its token was revoked. */
  findTicket(hash: string): Promise<TicketRecord | undefined>;
  /**
   * Ties a ticket to a connection: true if it was unbound and in time, or is bound to this very connection already. One
   * conditional write: of two connections that try, one wins; so of two nodes that try it with one connection, by
   * whatever tickets, where nodes share the store.
   */
  bindTicket(hash: string, connectionId: string, node?: string): Promise<boolean>;

  /** Brings the connection table up to date. A row of an unknown transaction is dropped silently. */
  saveConnections(changes: ConnectionChanges): Promise<void>;

  /** Resolves when the store can write now; rejects with `store_unavailable` otherwise. For the readiness probe. */
  check(): Promise<void>;
  /** Waits for what was asked before, then closes; anything asked later rejects with `store_unavailable`. */
  [Symbol.asyncDispose](): Promise<void>;
}
