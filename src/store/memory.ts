/**
 * The store that lives and dies with its process. Every call is done when it returns, so calls are in order and atomic by
 * nature. Bounded only by the limits.
 */
import type { Clock } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import { inUse } from './in-use.ts';
import { forgottenSince, stateAt } from './lifetime.ts';
import { effectsOf, roundsOf } from './marks.ts';
import { MemoryCapabilities } from './memory-capabilities.ts';
import { MemoryIntake } from './memory-intake.ts';
import { MemoryReferences } from './memory-references.ts';
import { MemoryTickets } from './memory-tickets.ts';
import type { MemoryTicket } from './memory-tickets.ts';
import { MemoryTransaction } from './memory-transaction.ts';
import { OpenCount } from './open-count.ts';
import { receive } from './receive.ts';
import type {
  AppendResult,
  Capability,
  ConnectionChanges,
  IncomingEvent,
  MailboxPage,
  MarkedPosition,
  NewMessage,
  NewTicket,
  NewTransaction,
  OpenResult,
  ReadOptions,
  Receipt,
  ReceiveResult,
  Recipient,
  Store,
  StoreLimits,
  SweepResult,
  TicketRecord,
  TokenRecord,
  TransactionMarks,
  TransactionRecord,
  TransactionState,
} from './store.ts';

/** Bounds the answer of {@link Store.transactionsByReference}. */
const MOST_BY_REFERENCE = 100;

export interface MemoryStoreOptions {
  readonly limits: StoreLimits;
  readonly clock: Clock;
}

export class MemoryStore implements Store {
  readonly #limits: StoreLimits;
  readonly #clock: Clock;
  readonly #transactions = new Map<string, MemoryTransaction>();
  readonly #references = new MemoryReferences();
  readonly #tokens = new MemoryCapabilities('tokens');
  readonly #callbacks = new MemoryCapabilities('callbacks');
  readonly #byConnection = new Map<string, MemoryTransaction>();
  readonly #tickets = new MemoryTickets();
  readonly #openCount: OpenCount;
  readonly #intake: MemoryIntake;
  #closed = false;

  constructor({ limits, clock }: MemoryStoreOptions) {
    this.#limits = limits;
    this.#clock = clock;
    this.#openCount = new OpenCount(limits.openTransactions, (now) => {
      const ends = [...this.#transactions.values()].filter((each) => stateAt(each, now) === 'open').map((each) => each.endsAt);
      return { open: ends.length, earliestEnd: ends.reduce((a, b) => Math.min(a, b), Infinity) };
    });
    this.#intake = new MemoryIntake(limits, (recipient, now) => this.#recipient(recipient, now));
  }

  async open(wanted: NewTransaction): Promise<OpenResult> {
    const now = this.#now();
    const present = this.#transactions.get(wanted.id);
    if (present !== undefined && this.#isForgotten(present, now)) this.#remove(present, now);
    else if (present !== undefined) return present.openAgain(wanted);
    const { reference, token, callback } = wanted;
    if (reference !== undefined && this.#references.open(reference, now) !== undefined) return { outcome: 'reference_taken' };
    if (!this.#openCount.hasRoom(now)) return { outcome: 'full' };
    const holder = this.#tokens.find(token.hash) ?? (callback && this.#callbacks.find(callback.hash));
    if (holder !== undefined) throw inUse();
    const transaction = new MemoryTransaction(wanted, now);
    this.#transactions.set(wanted.id, transaction);
    this.#references.add(transaction);
    this.#tokens.add(transaction, token);
    if (callback !== undefined) this.#callbacks.add(transaction, callback);
    this.#intake.attach(transaction, now);
    this.#openCount.opened(transaction.endsAt);
    return { outcome: 'opened', createdAt: now, expiresAt: transaction.expiresAt };
  }

  async append(message: NewMessage): Promise<AppendResult> {
    const now = this.#now();
    return this.#find(message.transactionId, now)?.append(message, { now, limits: this.#limits }) ?? { outcome: 'unknown' };
  }

  async receive(event: IncomingEvent): Promise<ReceiveResult> {
    return receive(this.#intake, event, this.#now());
  }

  async read(transactionId: string, options: ReadOptions): Promise<MailboxPage | undefined> {
    const now = this.#now();
    return this.#find(transactionId, now)?.page(options, now);
  }

  async mark({ transactionId, marks }: TransactionMarks): Promise<MarkedPosition> {
    const transaction = this.#find(transactionId, this.#now());
    if (transaction === undefined) return undefined;
    for (const round of roundsOf(marks)) transaction.apply(effectsOf(round, transaction));
    const { lastSequence, ackedSequence } = transaction;
    return { lastSequence, ackedSequence };
  }

  async receipt(transactionId: string, messageId: string): Promise<Receipt | undefined> {
    const now = this.#now();
    return this.#find(transactionId, now)?.receipt(messageId, now);
  }

  async versions(transactionIds: readonly string[]): Promise<readonly (number | undefined)[]> {
    const now = this.#now();
    return transactionIds.map((id) => this.#find(id, now)?.version);
  }

  async transaction(transactionId: string): Promise<TransactionRecord | undefined> {
    const now = this.#now();
    return this.#find(transactionId, now)?.record(now);
  }

  async transactionsByReference(reference: string): Promise<readonly TransactionRecord[]> {
    const now = this.#now();
    const found = this.#references.newestFirst(reference, this.#since(now));
    return found.slice(0, MOST_BY_REFERENCE).map((each) => each.record(now));
  }

  async settle(transactionId: string): Promise<TransactionState | undefined> {
    const now = this.#now();
    const transaction = this.#find(transactionId, now);
    if (transaction?.settle(now) === true) this.#openCount.ended();
    return transaction === undefined ? undefined : stateAt(transaction, now);
  }

  async forget(transactionId: string): Promise<boolean> {
    const now = this.#now();
    const transaction = this.#find(transactionId, now);
    if (transaction !== undefined) this.#remove(transaction, now);
    return transaction !== undefined;
  }

  async sweep(limit: number): Promise<SweepResult> {
    const now = this.#now();
    this.#tickets.dropLate(now);
    const due = [...this.#transactions.values()].filter((each) => this.#isForgotten(each, now));
    const slice = due.toSorted((a, b) => a.endsAt - b.endsAt).slice(0, limit);
    for (const transaction of slice) this.#remove(transaction, now);
    const { unclaimed, more } = this.#intake.sweep(limit, now);
    return { forgotten: slice.map(({ id }) => id), unclaimed, more: more || due.length > slice.length };
  }

  async addToken(transactionId: string, token: Capability): Promise<boolean> {
    const transaction = this.#find(transactionId, this.#now());
    if (transaction !== undefined) this.#tokens.add(transaction, token);
    return transaction !== undefined;
  }

  async revokeToken(transactionId: string, tokenId: string): Promise<boolean> {
    const transaction = this.#find(transactionId, this.#now());
    if (transaction === undefined || !this.#tokens.revoke(transaction, tokenId)) return false;
    this.#tickets.dropOf(transaction, tokenId);
    return true;
  }

  async findToken(hash: string): Promise<TokenRecord | undefined> {
    const now = this.#now();
    const found = this.#tokens.find(hash);
    if (found === undefined || this.#isForgotten(found.transaction, now)) return undefined;
    return { transactionId: found.transaction.id, tokenId: found.id };
  }

  async addCallback(transactionId: string, callback: Capability): Promise<boolean> {
    const transaction = this.#find(transactionId, this.#now());
    if (transaction !== undefined) this.#callbacks.add(transaction, callback);
    return transaction !== undefined;
  }

  async revokeCallback(transactionId: string, callbackId: string): Promise<boolean> {
    const transaction = this.#find(transactionId, this.#now());
    return transaction !== undefined && this.#callbacks.revoke(transaction, callbackId);
  }

  async findCallback(hash: string): Promise<string | undefined> {
    const now = this.#now();
    const found = this.#callbacks.find(hash);
    return found === undefined || this.#isForgotten(found.transaction, now) ? undefined : found.transaction.id;
  }

  async addTicket({ hash, transactionId, tokenId, ttlMs }: NewTicket): Promise<boolean> {
    const now = this.#now();
    const transaction = this.#find(transactionId, now);
    if (transaction === undefined || (tokenId !== undefined && !transaction.tokens.has(tokenId))) return false;
    const present = this.#tickets.find(hash);
    if (present !== undefined && present.transaction !== transaction) throw inUse();
    if (present === undefined) this.#tickets.add({ hash, transaction, tokenId, expiresAt: now + ttlMs });
    return true;
  }

  async findTicket(hash: string): Promise<TicketRecord | undefined> {
    const ticket = this.#goodTicket(hash, this.#now());
    if (ticket === undefined) return undefined;
    const { transaction, tokenId } = ticket;
    const connectionId = this.#tickets.connectionOf(ticket);
    return {
      transactionId: transaction.id,
      ...(tokenId === undefined ? {} : { tokenId }),
      ...(connectionId === undefined ? {} : { connectionId }),
    };
  }

  async bindTicket(hash: string, connectionId: string, node = ''): Promise<boolean> {
    const ticket = this.#goodTicket(hash, this.#now());
    return ticket !== undefined && this.#tickets.bind(ticket, { connectionId, node });
  }

  async saveConnections({ added, removed }: ConnectionChanges): Promise<void> {
    const now = this.#now();
    for (const row of added) {
      const transaction = this.#find(row.transactionId, now);
      if (transaction === undefined) continue;
      this.#byConnection.get(row.id)?.connections.delete(row.id);
      transaction.connections.set(row.id, row);
      this.#byConnection.set(row.id, transaction);
    }
    for (const id of removed) {
      this.#byConnection.get(id)?.connections.delete(id);
      this.#byConnection.delete(id);
      this.#tickets.dropBoundTo(id);
    }
  }

  async check(): Promise<void> {
    this.#now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  /** The time of a call; nothing can be asked without it. */
  #now(): number {
    if (this.#closed) throw new RingbackError('store_unavailable', { detail: 'The store is closed.' });
    return this.#clock.now();
  }

  #isForgotten(transaction: MemoryTransaction, now: number): boolean {
    return transaction.endsAt <= this.#since(now);
  }

  #since(now: number): number {
    return forgottenSince(now, this.#limits.retentionMs);
  }

  #find(transactionId: string, now: number): MemoryTransaction | undefined {
    const transaction = this.#transactions.get(transactionId);
    return transaction === undefined || this.#isForgotten(transaction, now) ? undefined : transaction;
  }

  /** The open one of a reference, else its latest. */
  #recipient(recipient: Recipient, now: number): MemoryTransaction | undefined {
    if (!('reference' in recipient)) return this.#find(recipient.transactionId, now);
    const { reference } = recipient;
    return this.#references.open(reference, now) ?? this.#references.newestFirst(reference, this.#since(now))[0];
  }

  #goodTicket(hash: string, now: number): MemoryTicket | undefined {
    const ticket = this.#tickets.find(hash);
    if (ticket === undefined || this.#isForgotten(ticket.transaction, now)) return undefined;
    return ticket.expiresAt <= now && this.#tickets.connectionOf(ticket) === undefined ? undefined : ticket;
  }

  #remove(transaction: MemoryTransaction, now: number): void {
    if (stateAt(transaction, now) === 'open') this.#openCount.ended();
    this.#references.delete(transaction);
    for (const table of [this.#tokens, this.#callbacks]) table.dropOf(transaction);
    for (const id of transaction.connections.keys()) this.#byConnection.delete(id);
    this.#tickets.dropOf(transaction);
    this.#transactions.delete(transaction.id);
  }
}
