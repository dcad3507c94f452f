/**
 * The store in a PostgreSQL database that several instances share. A writing call resolves when the server has confirmed its
 * commit. Time is the database's clock. Everything is in the schema `ringback`; see `src/postgres/migrations/`.
 */
import type { Clock } from '../../clock.ts';
import type { Pool } from '../../postgres/pool.ts';
import { newMessageStem } from '../message-id.ts';
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
  Store,
  StoreLimits,
  SweepResult,
  TicketRecord,
  TokenRecord,
  TransactionMarks,
  TransactionRecord,
  TransactionState,
} from '../store.ts';
import { bindWrite, connectionsWrite, grantWrite, revokeWrite, ticketWrite } from './access.ts';
import { choreWrite, forgetMoreWrite, forgetWrite, openWrite, settleWrite, sweepWrite } from './life.ts';
import { markWrite } from './marking.ts';
import { appendWrite, receiveWrite } from './messages-in.ts';
import { Pages } from './pages.ts';
import { Reads } from './reads.ts';
import type { Waiting, Write } from './write.ts';
import { Writer, closed } from './writer.ts';

export interface PostgresStoreOptions {
  /** Of a database whose schema is current: see `migrate`. Stays open when the store is disposed. */
  readonly pool: Pool;
  readonly limits: StoreLimits;
  /** Of data, in a message that an app appends by SQL; as compact JSON in UTF-8. Default: 65536. */
  readonly messageBytes?: number;
  /** This node's clock, by which marks and rows have their times. */
  readonly clock: Clock;
  /** How long a call waits for a database that has just gone away; later calls fail at once. Default: 6 s. */
  readonly patienceMs?: number;
  /** For tests: the store's own time, epoch milliseconds. Default: the database's clock. */
  readonly now?: () => number;
}

const MESSAGE_BYTES = 65_536;

const NOTHING_DUE: SweepResult = { forgotten: [], unclaimed: [], more: false };

const SAVE_SETTINGS = {
  name: 'save_settings',
  text: `INSERT INTO ringback.settings (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
    ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
} as const;

/** In the order of the type `ringback.limits`. */
function limitsLiteral(limits: StoreLimits): string {
  const { retentionMs, messagesPerTransaction, mailboxBytes, parkMs, parkedMessages, dedupeMs, openTransactions } = limits;
  return `(${[retentionMs, messagesPerTransaction, mailboxBytes, parkMs, parkedMessages, dedupeMs, openTransactions].join()})`;
}

export class PostgresStore implements Store {
  readonly #options: PostgresStoreOptions;
  readonly #writer: Writer;
  readonly #reads: Reads;
  readonly #pages: Pages;
  readonly #append = appendWrite();
  readonly #receive = receiveWrite();
  readonly #mark = markWrite();
  readonly #open = openWrite();
  readonly #settle = settleWrite();
  readonly #forget = forgetWrite();
  readonly #forgetMore = forgetMoreWrite();
  readonly #sweep = sweepWrite();
  readonly #tally = choreWrite('tally');
  readonly #dropStrays = choreWrite('drop_strays');
  readonly #touch = choreWrite('touch');
  readonly #grant = grantWrite();
  readonly #revoke = revokeWrite();
  readonly #ticket = ticketWrite();
  readonly #bind = bindWrite();
  readonly #connections = connectionsWrite();

  private constructor(options: PostgresStoreOptions) {
    const { pool, clock, patienceMs, limits, now } = options;
    const means = { pool, clock, patienceMs };
    this.#options = options;
    this.#writer = new Writer({ ...means, limits: limitsLiteral(limits), now });
    this.#reads = new Reads({ ...means, retentionMs: limits.retentionMs, now });
    this.#pages = new Pages(this.#reads);
  }

  /** Tells the database what limits there are, for apps that append by SQL: those of who came last hold. */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const { pool, limits, messageBytes = MESSAGE_BYTES } = options;
    const settings: Readonly<Record<string, number>> = {
      message_bytes: messageBytes,
      retention_ms: limits.retentionMs,
      messages: limits.messagesPerTransaction,
      bytes: limits.mailboxBytes,
    };
    await pool.query(SAVE_SETTINGS, [Object.keys(settings), Object.values(settings)]);
    return new PostgresStore(options);
  }

  open(transaction: NewTransaction): Promise<OpenResult> {
    return this.#ask(this.#open, transaction);
  }

  append(message: NewMessage): Promise<AppendResult> {
    return this.#ask(this.#append, { message, stem: newMessageStem() });
  }

  receive(event: IncomingEvent): Promise<ReceiveResult> {
    return this.#ask(this.#receive, event);
  }

  read(transactionId: string, options: ReadOptions): Promise<MailboxPage | undefined> {
    return this.#pages.read(transactionId, options);
  }

  mark(marks: TransactionMarks): Promise<MarkedPosition> {
    return this.#ask(this.#mark, { element: marks, now: this.#options.clock.now() });
  }

  async receipt(transactionId: string, messageId: string): Promise<Receipt | undefined> {
    return this.#look().receipt(transactionId, messageId);
  }

  async transaction(transactionId: string): Promise<TransactionRecord | undefined> {
    return this.#look().transaction(transactionId);
  }

  async transactionsByReference(reference: string): Promise<readonly TransactionRecord[]> {
    return this.#look().byReference(reference);
  }

  async versions(transactionIds: readonly string[]): Promise<readonly (number | undefined)[]> {
    return this.#look().versions(transactionIds);
  }

  settle(transactionId: string): Promise<TransactionState | undefined> {
    return this.#ask(this.#settle, transactionId);
  }

  async forget(transactionId: string): Promise<boolean> {
    const removal = await this.#ask(this.#forget, transactionId);
    if (removal === undefined) return false;
    // In slices, so that none of them holds up the others; should this end here, the sweep goes on with it.
    for (let { isLeft } = removal; isLeft;) isLeft = await this.#ask(this.#forgetMore, removal.tx);
    return true;
  }

  async sweep(limit: number): Promise<SweepResult> {
    // Every instance asks each second, and a commit is a flush of the disk: mostly there is nothing to do.
    const due = await this.#look().due(this.#options.limits);
    const [result] = await Promise.all([
      due.sweep ? this.#ask(this.#sweep, limit) : NOTHING_DUE,
      due.tally && this.#ask(this.#tally, undefined),
      due.strays && this.#ask(this.#dropStrays, undefined),
    ]);
    return result;
  }

  addToken(transactionId: string, token: Capability): Promise<boolean> {
    return this.#ask(this.#grant, { kind: 'token', transactionId, capability: token });
  }

  revokeToken(transactionId: string, tokenId: string): Promise<boolean> {
    return this.#ask(this.#revoke, { kind: 'token', transactionId, id: tokenId });
  }

  async findToken(hash: string): Promise<TokenRecord | undefined> {
    return this.#look().token(hash);
  }

  addCallback(transactionId: string, callback: Capability): Promise<boolean> {
    return this.#ask(this.#grant, { kind: 'callback', transactionId, capability: callback });
  }

  revokeCallback(transactionId: string, callbackId: string): Promise<boolean> {
    return this.#ask(this.#revoke, { kind: 'callback', transactionId, id: callbackId });
  }

  async findCallback(hash: string): Promise<string | undefined> {
    return this.#look().callback(hash);
  }

  addTicket(ticket: NewTicket): Promise<boolean> {
    return this.#ask(this.#ticket, ticket);
  }

  async findTicket(hash: string): Promise<TicketRecord | undefined> {
    return this.#look().ticket(hash);
  }

  bindTicket(hash: string, connectionId: string, node = ''): Promise<boolean> {
    return this.#ask(this.#bind, { hash, connectionId, node });
  }

  async saveConnections(changes: ConnectionChanges): Promise<void> {
    await this.#ask(this.#connections, { changes, now: this.#options.clock.now() });
  }

  async check(): Promise<void> {
    await this.#ask(this.#touch, undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const parts = [this.#writer, this.#pages, this.#reads];
    await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()));
  }

  #ask<Call, Answer, Answers>(write: Write<Call, Answer, Answers>, call: NoInfer<Call>): Promise<Answer> {
    return write.ask(call, (waiting: Waiting) => this.#writer.join(waiting));
  }

  #look(): Reads {
    if (this.#writer.isClosed) throw closed();
    return this.#reads;
  }
}
