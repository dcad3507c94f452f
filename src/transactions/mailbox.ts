/**
 * The mailbox of a transaction from the sender's and the polling page's side: append, read, ack, and what became of a message.
 */
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import type {
  AppendResult,
  IncomingEvent,
  JsonText,
  MailboxPage,
  Receipt,
  ReceiveResult,
  Store,
  StoredMessage,
} from '../store/store.ts';
import type { Receipts } from './receipts.ts';
import { newId } from './secrets.ts';

/** Bytes of data in one answer to a polling page; at least one message is always in it. */
const PAGE_BYTES = 4 * 1024 * 1024;

export interface Letter {
  readonly type: string;
  readonly data: JsonText;
  /** Becomes the id of the message and is its idempotency key. Default: made here. */
  readonly id?: string | undefined;
  /** Idempotency key of a message whose id is made here. */
  readonly key?: string | undefined;
}

export interface Appended {
  readonly message: StoredMessage;
  /** The key had been used for this same message before. */
  readonly isDuplicate: boolean;
}

/** `handled` and `failed` are final; `expired` is final unless a page that is still attached acks in time. */
export type MessageStatus = 'stored' | 'delivered' | 'handled' | 'failed' | 'expired';

export interface MailboxOptions {
  readonly store: Pick<Store, 'append' | 'receive' | 'read' | 'receipt'>;
  readonly backplane: Backplane;
  readonly receipts: Receipts;
  readonly clock: Clock;
}

export interface WaitOptions {
  readonly withinMs: number;
  /** Ends the wait early, as if the time were over. */
  readonly signal?: AbortSignal;
}

export class Mailbox {
  readonly #options: MailboxOptions;

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  /**
   * Adds a message, durably, and rings for its readers.
   * @throws RingbackError transaction_not_found, transaction_settled, transaction_expired, idempotency_conflict,
   *   mailbox_full, store_unavailable
   */
  async append(transactionId: string, letter: Letter): Promise<Appended> {
    const { store, backplane } = this.#options;
    const key = letter.id ?? letter.key;
    let hint: StoredMessage | undefined;
    try {
      const result = await store.append({
        transactionId,
        ...(letter.id !== undefined && { id: letter.id }),
        type: letter.type,
        data: letter.data,
        ...(key !== undefined && { key }),
      });
      const message = appendedMessage(result);
      if (result.outcome === 'stored') hint = message;
      return { message, isDuplicate: result.outcome === 'duplicate' };
    } finally {
      // Whatever became of it: what the store has failed to confirm may be committed, and so may the first of a duplicate
      // be, whose own ring died with its process.
      backplane.ring(transactionId, hint);
    }
  }

  /**
   * Takes the event of a webhook, durably and once, and rings for the readers. What it says of the transaction is for our own
   * logs, not for the provider. @throws RingbackError mailbox_full, too_many_parked, store_unavailable
   */
  async receive(event: Omit<IncomingEvent, 'id'>): Promise<Exclude<ReceiveResult, { readonly outcome: 'full' }>> {
    const { store, backplane } = this.#options;
    const result = await store.receive({ ...event, id: newId('msg') }).catch((error: unknown) => {
      // It may be committed all the same. Of a reference only the repeat can tell which transaction to ring for.
      if ('transactionId' in event.recipient) backplane.ring(event.recipient.transactionId);
      throw error;
    });
    if (result.outcome === 'stored') backplane.ring(result.message.transactionId, result.message);
    // The first one's ring may have died with its process.
    if (result.outcome === 'duplicate' && result.transactionId !== undefined) backplane.ring(result.transactionId);
    if (result.outcome !== 'full') return result;
    if (result.limit === 'parkedMessages') throw new RingbackError('too_many_parked', { retryAfterSeconds: 60 });
    throw mailboxFull(result.limit);
  }

  /** @throws RingbackError transaction_not_found, store_unavailable */
  async read(transactionId: string, options: { readonly after: number; readonly limit: number }): Promise<MailboxPage> {
    await this.#options.receipts.flushIfPossible(transactionId);
    const page = await this.#options.store.read(transactionId, { ...options, maxBytes: PAGE_BYTES });
    if (page === undefined) throw new RingbackError('transaction_not_found');
    return page;
  }

  /** A read by the page itself: what it is given counts as delivered. */
  async readAsPage(transactionId: string, options: { readonly after: number; readonly limit: number }): Promise<MailboxPage> {
    const page = await this.read(transactionId, options);
    for (const { sequence } of page.messages) this.#options.receipts.delivered(transactionId, sequence);
    return page;
  }

  /**
   * The page has handled everything up to a sequence. Committed when it resolves.
   * @throws RingbackError sequence_out_of_range, transaction_not_found, store_unavailable
   */
  async acknowledge(transactionId: string, sequence: number, reply?: JsonText): Promise<void> {
    await this.#requireSequence(transactionId, sequence);
    const { receipts } = this.#options;
    receipts.handled(transactionId, reply === undefined ? { upTo: sequence, except: [] } : { upTo: sequence, except: [], reply });
    await receipts.flush(transactionId);
  }

  /** The page has failed to handle this message, for good. Committed when it resolves. Throws as {@link acknowledge}. */
  async fail(transactionId: string, sequence: number, error: string): Promise<void> {
    await this.#requireSequence(transactionId, sequence);
    this.#options.receipts.failed(transactionId, sequence, error);
    await this.#options.receipts.flush(transactionId);
  }

  /** What is known of a message now. @throws RingbackError message_not_found, store_unavailable */
  async receipt(transactionId: string, messageId: string): Promise<Receipt> {
    await this.#options.receipts.flushIfPossible(transactionId);
    const receipt = await this.#options.store.receipt(transactionId, messageId);
    if (receipt === undefined) throw new RingbackError('message_not_found');
    return receipt;
  }

  /**
   * Waits until a page has handled the message or failed to. Resolves with the receipt as it then stands, or as it stands
   * when the time is over. @throws RingbackError as {@link receipt}
   */
  async outcome(transactionId: string, messageId: string, options: WaitOptions): Promise<Receipt> {
    using end = new Expectation(this.#options, transactionId, options);
    for (;;) {
      const receipt = await this.receipt(transactionId, messageId);
      if (isFinal(receipt) || end.isOver) return receipt;
      await end.next();
    }
  }

  async #requireSequence(transactionId: string, sequence: number): Promise<void> {
    const { lastSequence } = await this.read(transactionId, { after: sequence, limit: 1 });
    if (sequence <= lastSequence) return;
    throw new RingbackError('sequence_out_of_range', { detail: `sequence ${sequence} is beyond the last one, ${lastSequence}` });
  }
}

export function statusOf(receipt: Receipt): MessageStatus {
  if (receipt.handledAt !== undefined) return 'handled';
  if (receipt.failedAt !== undefined) return 'failed';
  if (receipt.transactionState === 'expired') return 'expired';
  return receipt.deliveredAt === undefined ? 'stored' : 'delivered';
}

/** Whether a page has handled the message or failed to: what a waiting sender waits for. */
export function isFinal(receipt: Receipt): boolean {
  return receipt.handledAt !== undefined || receipt.failedAt !== undefined;
}

/** Says when it is worth looking again: a mark was committed, the doorbell rang, or the time is over. */
class Expectation implements Disposable {
  readonly #stop: () => void;
  #isOver = false;
  #changed = Promise.withResolvers<void>();

  constructor({ receipts, backplane, clock }: MailboxOptions, transactionId: string, { withinMs, signal }: WaitOptions) {
    const wake = (): void => this.#changed.resolve();
    const over = (): void => {
      this.#isOver = true;
      wake();
    };
    const timer = clock.after(withinMs, over);
    const unwatch = receipts.watch(transactionId, wake);
    const unsubscribe = backplane.subscribe(transactionId, wake);
    signal?.addEventListener('abort', over);
    if (signal?.aborted === true) over();
    this.#stop = () => {
      timer.cancel();
      unwatch();
      unsubscribe();
      signal?.removeEventListener('abort', over);
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves at the first change since the last call. */
  async next(): Promise<void> {
    await this.#changed.promise;
    this.#changed = Promise.withResolvers<void>();
    // What changed while nobody waited must not be slept over.
    if (this.#isOver) this.#changed.resolve();
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

function appendedMessage(result: AppendResult): StoredMessage {
  switch (result.outcome) {
    case 'stored':
    case 'duplicate':
      return result.message;
    case 'unknown':
      throw new RingbackError('transaction_not_found');
    case 'settled':
      throw new RingbackError('transaction_settled');
    case 'expired':
      throw new RingbackError('transaction_expired');
    case 'conflict':
      throw new RingbackError('idempotency_conflict');
    case 'full':
      throw mailboxFull(result.limit);
    default:
      return result satisfies never;
  }
}

function mailboxFull(limit: string): RingbackError {
  return new RingbackError('mailbox_full', { detail: `the mailbox has reached the limit ${limit}` });
}
