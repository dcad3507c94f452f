/**
 * The operations of the API, for the HTTP routes and for an app that embeds the server alike: limits are kept here, answers
 * are made here. Who may call what is decided before.
 */
import { RingbackError, type ErrorCode } from '../errors.ts';
import { requireBytes } from '../json/require-bytes.ts';
import type { JsonText } from '../store/store.ts';
import { isFinal, type Appended, type Mailbox } from '../transactions/mailbox.ts';
import type { Opened, Transactions } from '../transactions/transactions.ts';
import type { Addresses } from './addresses.ts';
import type { Limits } from './configuration.ts';
import type { Metrics } from './metrics.ts';
import { sendCommitted } from './milestones.ts';
import * as wire from './wire.ts';

export interface OpenInput {
  readonly ttlSeconds?: number | undefined;
  readonly metadata?: JsonText | undefined;
  readonly reference?: string | undefined;
}

export interface SendInput {
  readonly type: string;
  readonly data: JsonText;
  readonly id?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** How long to wait for the page; capped at 30. Default: not at all. */
  readonly waitSeconds?: number | undefined;
}

/** One message of a batch. */
export interface BatchedInput extends Pick<SendInput, 'type' | 'data' | 'id'> {
  readonly transaction: string;
}

export interface Answer {
  readonly status: 200 | 202;
  readonly json: JsonText;
}

export interface ApiOptions {
  readonly transactions: Transactions;
  readonly mailbox: Mailbox;
  readonly addresses: Addresses;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** Aborted when the server drains: whoever waits is then answered. */
  readonly draining: AbortSignal;
}

const LONGEST_WAIT_SECONDS = 30;

export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** For a back end. @throws RingbackError reference_taken, metadata_too_large, invalid_request, too_many_transactions, store_unavailable */
  async open(input: OpenInput): Promise<wire.WireOpened> {
    const { limits, transactions, addresses } = this.#options;
    requireBytes(input.metadata, limits.metadataBytes, 'metadata_too_large');
    const opened = await transactions.open({
      ttlMs: ttlMs(input.ttlSeconds ?? limits.ttlSecondsDefault, limits.ttlSecondsMax),
      reference: input.reference,
      metadata: input.metadata,
    });
    const callback = opened.callback && {
      callbackUrl: addresses.callback(opened.callback.secret),
      callbackId: opened.callback.id,
    };
    return { ...this.#opened(opened), ...callback };
  }

  /** For a page that nobody vouches for: only the time to live is heeded, and it gets no callback URL. Throws as {@link open}. */
  async openAnonymously(input: OpenInput, origin: string): Promise<wire.WireOpened> {
    const { limits, transactions } = this.#options;
    const opened = await transactions.open({
      ttlMs: ttlMs(
        input.ttlSeconds ?? Math.min(limits.ttlSecondsDefault, limits.anonymousTtlSecondsMax),
        limits.anonymousTtlSecondsMax,
      ),
      anonymousOrigin: origin,
    });
    return this.#opened(opened);
  }

  /** @param forOwner with reference and metadata */
  async transaction(transactionId: string, forOwner: boolean): Promise<JsonText> {
    return wire.transactionJson(await this.#options.transactions.get(transactionId), forOwner);
  }

  async transactionsByReference(reference: string): Promise<JsonText> {
    const records = await this.#options.transactions.byReference(reference);
    return `{"transactions":[${records.map((record) => wire.transactionJson(record, true)).join(',')}]}`;
  }

  async addToken(transactionId: string): Promise<wire.WireToken> {
    const { id, secret } = await this.#options.transactions.addToken(transactionId);
    return { tokenId: id, accessToken: secret };
  }

  async addCallback(transactionId: string): Promise<wire.WireCallback> {
    const { id, secret } = await this.#options.transactions.addCallback(transactionId);
    return { callbackUrl: this.#options.addresses.callback(secret), callbackId: id };
  }

  revokeToken(transactionId: string, tokenId: string): Promise<void> {
    return this.#options.transactions.revokeToken(transactionId, tokenId);
  }

  revokeCallback(transactionId: string, callbackId: string): Promise<void> {
    return this.#options.transactions.revokeCallback(transactionId, callbackId);
  }

  /**
   * Resolves when the message is committed and, if so asked, the page has answered or the time is over.
   * @throws RingbackError data_too_large, invalid_request, and as {@link Mailbox.append}
   */
  async send(transactionId: string, input: SendInput): Promise<Answer> {
    const { mailbox, limits } = this.#options;
    requireBytes(input.data, limits.messageBytes, 'data_too_large');
    const appended = await mailbox.append(transactionId, { ...input, key: idempotencyKey(input) });
    this.#count(appended);
    const { message, isDuplicate } = appended;
    if (!input.waitSeconds) return { status: 202, json: wire.storedJson(message, isDuplicate) };
    const receipt = await mailbox.outcome(transactionId, message.id, {
      withinMs: Math.min(input.waitSeconds, LONGEST_WAIT_SECONDS) * 1000,
      signal: this.#options.draining,
    });
    if (!isFinal(receipt)) return { status: 202, json: wire.storedJson(message, isDuplicate) };
    return { status: 200, json: wire.outcomeJson(receipt, isDuplicate) };
  }

  /**
   * Sends each as {@link send} does, and says of each what became of it, in their order. The store is asked for all of them in
   * one turn, and so has them in one commit: after a crash either all are there or none.
   *
   * The SQLite store answers for all messages of a commit or is unavailable for all. Of a store that is unavailable for some
   * only, those have the error in their own results.
   * @throws RingbackError store_unavailable, when the store has answered for none
   */
  async sendAll(inputs: readonly BatchedInput[]): Promise<readonly (Appended | RingbackError)[]> {
    const outcomes = await Promise.all(inputs.map((input) => this.#sendOne(input)));
    const unavailable = outcomes.find((each) => isRefusal(each, 'store_unavailable'));
    if (unavailable === undefined) return outcomes;
    if (outcomes.every((each) => isRefusal(each, 'store_unavailable', 'data_too_large'))) throw unavailable;
    return outcomes;
  }

  /**
   * A provider calls back with a JSON object. A transaction that takes no more messages is no fault of the provider's.
   * @throws RingbackError data_too_large, mailbox_full, transaction_not_found, store_unavailable
   */
  async callBack(transactionId: string, data: JsonText, key?: string): Promise<void> {
    try {
      // A key of the provider's must not meet one of the back end's.
      await this.send(transactionId, { type: 'callback', data, idempotencyKey: key && `callback:${key}` });
    } catch (error) {
      if (!(error instanceof RingbackError) || error.status !== 410) throw error;
    }
  }

  /** @param asPage counts as a delivery of what is read */
  async messages(transactionId: string, range: { after: number; limit: number }, asPage: boolean): Promise<JsonText> {
    const { mailbox } = this.#options;
    return wire.pageJson(await (asPage ? mailbox.readAsPage(transactionId, range) : mailbox.read(transactionId, range)));
  }

  /** The page handled everything up to a sequence, or, with `error`, failed to handle that one for good. */
  async acknowledge(transactionId: string, ack: { sequence: number; reply?: JsonText; error?: string }): Promise<void> {
    const { mailbox, limits, metrics } = this.#options;
    requireBytes(ack.reply, limits.replyBytes, 'reply_too_large');
    requireBytes(ack.error, limits.replyBytes, 'reply_too_large');
    if (ack.error === undefined) await mailbox.acknowledge(transactionId, ack.sequence, ack.reply);
    else await mailbox.fail(transactionId, ack.sequence, ack.error);
    metrics.acks.inc({ kind: ack.error === undefined ? 'ack' : 'nack' });
  }

  async receipt(transactionId: string, messageId: string): Promise<JsonText> {
    return wire.receiptJson(await this.#options.mailbox.receipt(transactionId, messageId));
  }

  async settle(transactionId: string): Promise<wire.WireSettled> {
    return { id: transactionId, state: await this.#options.transactions.settle(transactionId) };
  }

  forget(transactionId: string): Promise<void> {
    return this.#options.transactions.forget(transactionId);
  }

  /** One of many: a refusal is its outcome. */
  async #sendOne(input: BatchedInput): Promise<Appended | RingbackError> {
    const { mailbox, limits } = this.#options;
    try {
      requireBytes(input.data, limits.messageBytes, 'data_too_large');
      const appended = await mailbox.append(input.transaction, input);
      this.#count(appended);
      return appended;
    } catch (error) {
      if (error instanceof RingbackError) return error;
      throw error;
    }
  }

  #count({ message: { transactionId, sequence }, isDuplicate }: Appended): void {
    this.#options.metrics.messages.inc({ outcome: isDuplicate ? 'duplicate' : 'stored' });
    if (sendCommitted.hasSubscribers) sendCommitted.publish({ transactionId, sequence });
  }

  #opened({ id, token, expiresAt }: Opened): wire.WireOpened {
    return {
      id,
      accessToken: token.secret,
      tokenId: token.id,
      expiresAt: wire.isoTime(expiresAt),
      hubUrl: this.#options.addresses.hub(),
    };
  }
}

function ttlMs(seconds: number, maxSeconds: number): number {
  if (seconds <= maxSeconds) return seconds * 1000;
  const message = `expected an integer from 1 to ${maxSeconds}`;
  throw new RingbackError('invalid_request', { faults: [{ field: '/ttlSeconds', message }] });
}

function isRefusal(outcome: Appended | RingbackError, ...codes: readonly ErrorCode[]): outcome is RingbackError {
  return outcome instanceof RingbackError && codes.includes(outcome.code);
}

function idempotencyKey({ id, idempotencyKey: key }: SendInput): string | undefined {
  if (id === undefined || key === undefined || id === key) return key;
  const message = 'expected to equal the header Idempotency-Key, if both are given';
  throw new RingbackError('invalid_request', { faults: [{ field: '/id', message }] });
}
