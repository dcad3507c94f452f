/**
 * The store in one SQLite file: `node:sqlite` in a worker thread of its own, so that no fsync ever holds up the main thread.
 * A writing call resolves when its commit has reached the disk (write-ahead log, `synchronous=FULL`).
 */
import type { Clock } from '../../clock.ts';
import { RingbackError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
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
import { Committer } from './committer.ts';

export interface SqliteStoreOptions {
  /** Made where it is missing (mode 0600), with its folder. Files beside it, named after it, belong to the store too. */
  readonly file: string;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Another process, or another store of this one, has the file. */
export class StoreInUseError extends Error {
  override readonly name = 'StoreInUseError';
  readonly file: string;

  constructor(file: string) {
    super(`the store ${file} is in use: another process has it open, and only one can`);
    this.file = file;
  }
}

/** The file cannot be a store, or not of this version; nothing in it was changed. */
export class StoreFileError extends Error {
  override readonly name = 'StoreFileError';
  readonly file: string;

  constructor(file: string, reason: string, options?: ErrorOptions) {
    super(`cannot use ${file} as a store: ${reason}`, options);
    this.file = file;
  }
}

export class SqliteStore implements Store {
  readonly #committer: Committer;
  /** A call that may be joined. */
  #marks: { readonly list: TransactionMarks[]; readonly positions: Promise<readonly MarkedPosition[]> } | undefined;

  private constructor(committer: Committer) {
    this.#committer = committer;
  }

  /**
   * Opens the file, brings it to the current version, and drops connections that a dead process left.
   *
   * @throws StoreInUseError at once when the file is open elsewhere
   * @throws StoreFileError when it is not ours, newer than this program, or cannot be opened
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const committer = new Committer(options);
    const fault = await committer.start();
    if (fault === undefined) return new SqliteStore(committer);
    if ('cause' in fault) throw new StoreFileError(options.file, fault.cause.message, fault);
    const { kind, reason } = fault.refusal;
    throw kind === 'in_use' ? new StoreInUseError(options.file) : new StoreFileError(options.file, reason);
  }

  open(transaction: NewTransaction): Promise<OpenResult> {
    return this.#committer.call('open', transaction);
  }

  async append(message: NewMessage): Promise<AppendResult> {
    const answer = await this.#committer.call('append', message);
    if ('outcome' in answer) return answer;
    const [id, sequence, storedAt] = answer;
    const { transactionId, type, data } = message;
    return { outcome: 'stored', message: { transactionId, id, sequence, type, data, storedAt } };
  }

  receive(event: IncomingEvent): Promise<ReceiveResult> {
    return this.#committer.call('receive', event);
  }

  read(transactionId: string, options: ReadOptions): Promise<MailboxPage | undefined> {
    return this.#committer.call('read', transactionId, options);
  }

  async mark(marks: TransactionMarks): Promise<MarkedPosition> {
    if (this.#marks === undefined) {
      const list: TransactionMarks[] = [];
      // It leaves after this turn, with what has joined by then.
      this.#marks = { list, positions: this.#committer.call('mark', list) };
      queueMicrotask(() => (this.#marks = undefined));
    }
    const { list, positions } = this.#marks;
    const index = list.push(marks) - 1;
    try {
      return (await positions)[index];
    } catch (error) {
      if (list.length === 1 || !(error instanceof RingbackError) || error.code !== 'internal_error') throw error;
      // One of them cannot be written: each by itself, so that the others are.
      return (await this.#committer.call('mark', [marks]))[0];
    }
  }

  receipt(transactionId: string, messageId: string): Promise<Receipt | undefined> {
    return this.#committer.call('receipt', transactionId, messageId);
  }

  versions(transactionIds: readonly string[]): Promise<readonly (number | undefined)[]> {
    return this.#committer.call('versions', transactionIds);
  }

  transaction(transactionId: string): Promise<TransactionRecord | undefined> {
    return this.#committer.call('transaction', transactionId);
  }

  transactionsByReference(reference: string): Promise<readonly TransactionRecord[]> {
    return this.#committer.call('transactionsByReference', reference);
  }

  settle(transactionId: string): Promise<TransactionState | undefined> {
    return this.#committer.call('settle', transactionId);
  }

  forget(transactionId: string): Promise<boolean> {
    return this.#committer.call('forget', transactionId);
  }

  sweep(limit: number): Promise<SweepResult> {
    return this.#committer.call('sweep', limit);
  }

  addToken(transactionId: string, token: Capability): Promise<boolean> {
    return this.#committer.call('addToken', transactionId, token);
  }

  revokeToken(transactionId: string, tokenId: string): Promise<boolean> {
    return this.#committer.call('revokeToken', transactionId, tokenId);
  }

  findToken(hash: string): Promise<TokenRecord | undefined> {
    return this.#committer.call('findToken', hash);
  }

  addCallback(transactionId: string, callback: Capability): Promise<boolean> {
    return this.#committer.call('addCallback', transactionId, callback);
  }

  revokeCallback(transactionId: string, callbackId: string): Promise<boolean> {
    return this.#committer.call('revokeCallback', transactionId, callbackId);
  }

  findCallback(hash: string): Promise<string | undefined> {
    return this.#committer.call('findCallback', hash);
  }

  addTicket(ticket: NewTicket): Promise<boolean> {
    return this.#committer.call('addTicket', ticket);
  }

  findTicket(hash: string): Promise<TicketRecord | undefined> {
    return this.#committer.call('findTicket', hash);
  }

  bindTicket(hash: string, connectionId: string): Promise<boolean> {
    return this.#committer.call('bindTicket', hash, connectionId);
  }

  saveConnections(changes: ConnectionChanges): Promise<void> {
    return this.#committer.call('saveConnections', changes);
  }

  check(): Promise<void> {
    return this.#committer.call('check');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#committer[Symbol.asyncDispose]();
  }
}
