/**
 * The life of a transaction: opened, looked at, settled, forgotten; and the capabilities that grant a part in it.
 */
import type { Backplane } from '../backplane/backplane.ts';
import { RingbackError } from '../errors.ts';
import type { Capability, JsonText, Store, TransactionRecord, TransactionState } from '../store/store.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { FreshGrants } from './fresh-grants.ts';
import type { Receipts } from './receipts.ts';
import { hashSecret, newId, newSecret } from './secrets.ts';

export interface TransactionsOptions {
  readonly store: Store;
  readonly backplane: Pick<Backplane, 'ring'>;
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly fresh: FreshGrants;
}

export interface OpenRequest {
  readonly ttlMs: number;
  readonly reference?: string | undefined;
  readonly metadata?: JsonText | undefined;
  /** Opened by nobody in particular, on a page of this origin: no callback URL is made for it. */
  readonly anonymousOrigin?: string | undefined;
}

/** A capability as its holder gets it; the only time that its secret is seen. */
export interface Granted {
  readonly id: string;
  readonly secret: string;
}

export interface Opened {
  readonly id: string;
  readonly expiresAt: number;
  readonly token: Granted;
  /** Absent for an anonymous opening. */
  readonly callback: Granted | undefined;
}

export class Transactions {
  readonly #options: TransactionsOptions;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  /** @throws RingbackError reference_taken, too_many_transactions, store_unavailable */
  async open(request: OpenRequest): Promise<Opened> {
    const id = newId('txn');
    const token = grant('access-token');
    const access = capability(token);
    const callback = request.anonymousOrigin === undefined ? grant('callback') : undefined;
    const result = await this.#options.store.open({
      id,
      ttlMs: request.ttlMs,
      token: access,
      ...(callback !== undefined && { callback: capability(callback) }),
      ...(request.reference !== undefined && { reference: request.reference }),
      ...(request.metadata !== undefined && { metadata: request.metadata }),
      ...(request.anonymousOrigin !== undefined && { anonymousOrigin: request.anonymousOrigin }),
    });
    if (result.outcome === 'reference_taken') throw new RingbackError('reference_taken');
    if (result.outcome === 'full') throw new RingbackError('too_many_transactions');
    this.#options.fresh.remember(access.hash, { transactionId: id, tokenId: token.id });
    return { id, expiresAt: result.expiresAt, token, callback };
  }

  /** As it is now, acks and connections of this moment included. @throws RingbackError transaction_not_found, store_unavailable */
  async get(transactionId: string): Promise<TransactionRecord> {
    await Promise.all([this.#options.receipts.flushIfPossible(transactionId), this.#options.connections.flushIfPossible()]);
    return found(await this.#options.store.transaction(transactionId));
  }

  /** Newest first. @throws RingbackError store_unavailable */
  async byReference(reference: string): Promise<readonly TransactionRecord[]> {
    const { store, receipts, connections } = this.#options;
    await connections.flushIfPossible();
    const records = await store.transactionsByReference(reference);
    await Promise.all(records.map(({ id }) => receipts.flushIfPossible(id)));
    return store.transactionsByReference(reference);
  }

  /** No more messages. Returns the state after it. @throws RingbackError transaction_not_found, store_unavailable */
  async settle(transactionId: string): Promise<TransactionState> {
    return found(await this.#ringAfter(transactionId, this.#options.store.settle(transactionId)));
  }

  /** Removes it with all that belongs to it. @throws RingbackError transaction_not_found, store_unavailable */
  async forget(transactionId: string): Promise<void> {
    const isForgotten = await this.#ringAfter(transactionId, this.#options.store.forget(transactionId));
    if (!isForgotten) throw new RingbackError('transaction_not_found');
  }

  /** One more access token. @throws RingbackError transaction_not_found, store_unavailable */
  async addToken(transactionId: string): Promise<Granted> {
    const token = grant('access-token');
    if (!(await this.#options.store.addToken(transactionId, capability(token)))) throw new RingbackError('transaction_not_found');
    return token;
  }

  /** @throws RingbackError transaction_not_found, token_not_found, store_unavailable */
  async revokeToken(transactionId: string, tokenId: string): Promise<void> {
    const isRevoked = await this.#ringAfter(transactionId, this.#options.store.revokeToken(transactionId, tokenId));
    if (!isRevoked) await this.#refuse(transactionId, 'token_not_found');
  }

  /** One more callback secret. @throws RingbackError transaction_not_found, store_unavailable */
  async addCallback(transactionId: string): Promise<Granted> {
    const callback = grant('callback');
    if (!(await this.#options.store.addCallback(transactionId, capability(callback))))
      throw new RingbackError('transaction_not_found');
    return callback;
  }

  /** @throws RingbackError transaction_not_found, callback_not_found, store_unavailable */
  async revokeCallback(transactionId: string, callbackId: string): Promise<void> {
    if (!(await this.#options.store.revokeCallback(transactionId, callbackId)))
      await this.#refuse(transactionId, 'callback_not_found');
  }

  /** Also when the store has failed: the change may be committed all the same, and readers have to know. */
  async #ringAfter<Value>(transactionId: string, change: Promise<Value>): Promise<Value> {
    try {
      return await change;
    } finally {
      this.#options.fresh.drop(transactionId);
      this.#options.backplane.ring(transactionId);
    }
  }

  async #refuse(transactionId: string, code: 'token_not_found' | 'callback_not_found'): Promise<never> {
    found(await this.#options.store.transaction(transactionId));
    throw new RingbackError(code);
  }
}

function grant(kind: 'access-token' | 'callback'): Granted {
  return { id: newId(kind === 'callback' ? 'cbk' : 'tok'), secret: newSecret(kind) };
}

function capability({ id, secret }: Granted): Capability {
  return { id, hash: hashSecret(secret) };
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new RingbackError('transaction_not_found');
  return value;
}
