/**
 * One connected reader of one mailbox: catches up from the store, then follows the doorbell, until the transaction ends or
 * the reader leaves. Its position is its own.
 *
 * Owns the order and completeness of delivery. Knows nothing of SignalR, HTTP or SQL.
 */
import type { Backplane, News } from '../backplane/backplane.ts';
import type { Clock, Timer } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import type { JsonText, MailboxPage, Store, StoredMessage } from '../store/store.ts';
import type { Expiries, Expiring } from './expiries.ts';
import { Farewell } from './farewell.ts';
import type { Receipts } from './receipts.ts';
import type { Reader } from './reader.ts';
import { Redelivery } from './redelivery.ts';

export type { ClosedReason, Reader } from './reader.ts';

/** Messages, and bytes of their data, per read; bounds what one reader can hold in memory. */
const PAGE_SIZE = 100;
const PAGE_BYTES = 256 * 1024;
/** When the store cannot answer, it is asked again after this time. */
const STORE_RETRY_MS = 1_000;

export interface AttachmentOptions {
  readonly transactionId: string;
  /** The access token that the connection lives by; absent where the app authenticated the page itself. */
  readonly tokenId?: string | undefined;
  /** Highest sequence that the reader has already; 0 replays everything. Default: where the transaction's acks stand. */
  readonly after?: number | undefined;
  readonly reader: Reader;
}

export interface AttachmentContext {
  readonly store: Pick<Store, 'read'>;
  readonly backplane: Pick<Backplane, 'subscribe'>;
  readonly receipts: Receipts;
  readonly expiries: Expiries;
  readonly clock: Clock;
}

export class Attachment implements Disposable, Expiring {
  /** When to look whether the transaction has expired; 0 while that is not waited for. */
  expiresAt = 0;
  readonly #context: AttachmentContext;
  readonly #options: AttachmentOptions;
  readonly #unsubscribe: () => void;
  /** Highest sequence sent, or that the reader said it has. */
  #position = 0;
  #hasBegun = false;
  #whenBegun: PromiseWithResolvers<void> | undefined;
  #isCaughtUp = false;
  #isReset = false;
  #rung = true;
  #idle = true;
  #isDisposed = false;
  #redelivery: Redelivery | undefined;
  #retry: Timer | undefined;
  #ending: Disposable | undefined;

  constructor(options: AttachmentOptions, context: AttachmentContext) {
    this.#options = options;
    this.#context = context;
    // Subscribe before the first read: an append between the two then rings, instead of being missed.
    this.#unsubscribe = context.backplane.subscribe(options.transactionId, (news) => this.#ring(news));
    void this.#begin();
  }

  /** Resolves when it is known where the reader stands; from then on it may ack. Also when it left before. */
  begun(): Promise<void> {
    if (this.#hasBegun || this.#isDisposed) return Promise.resolve();
    this.#whenBegun ??= Promise.withResolvers();
    return this.#whenBegun.promise;
  }

  /** The transport has room again. */
  resume(): void {
    this.#ring();
  }

  /**
   * Everything up to `sequence` was handled, but for what this connection has nacked.
   * @throws RingbackError sequence_out_of_range, for what was never sent here; store_unavailable
   */
  ack(sequence: number, reply?: JsonText): void {
    this.#requireSent(sequence);
    const except = this.#redelivery?.below(sequence) ?? [];
    const { receipts } = this.#context;
    receipts.handled(
      this.#options.transactionId,
      reply === undefined ? { upTo: sequence, except } : { upTo: sequence, except, reply },
    );
    this.#release(sequence);
  }

  /**
   * The handler of this message failed: it is sent again later, or has failed for good.
   * @throws RingbackError as {@link ack}
   */
  nack(sequence: number, error: string): void {
    this.#requireSent(sequence);
    this.#redelivery ??= new Redelivery(this.#context.clock, (due) => void this.#sendAgain(due));
    if (this.#redelivery.nack(sequence) === 'waiting') return;
    this.#context.receipts.failed(this.#options.transactionId, sequence, error);
    this.#ring();
  }

  /** The transaction is at its end: the store says what follows. */
  expire(): void {
    this.expiresAt = 0;
    this.#ring();
  }

  /** The reader has left. Nothing is called on it any more. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#tellBegun();
    this.#unsubscribe();
    this.#context.expiries.delete(this);
    this.#redelivery?.[Symbol.dispose]();
    this.#ending?.[Symbol.dispose]();
    this.#retry?.cancel();
  }

  /** An idle reader keeps no promise. */
  #tellBegun(): void {
    this.#whenBegun?.resolve();
    this.#whenBegun = undefined;
  }

  /** Asks the store whether the access token is still good. */
  get #token(): { readonly tokenId?: string } {
    return this.#options.tokenId === undefined ? {} : { tokenId: this.#options.tokenId };
  }

  #requireSent(sequence: number): void {
    if (sequence <= this.#position) return;
    throw new RingbackError('sequence_out_of_range', {
      detail: `sequence ${sequence} was not sent on this connection, which stands at ${this.#position}`,
    });
  }

  #release(sequence: number): void {
    if (this.#redelivery === undefined) return;
    this.#redelivery.settle(sequence);
    if (!this.#redelivery.isPending) this.#ring();
  }

  /** A ring carries no promise: any number of them during a run cost one more read. Receipts are the farewell's matter. */
  #ring(hint?: News): void {
    if (this.#isDisposed || hint === 'receipt') return;
    if (hint !== undefined && this.#hasBegun) {
      if (this.#takes(hint)) return this.#deliver(hint);
      // Sent already, or not to be sent now; whatever holds it back rings as it lets go.
      if (hint.sequence <= this.#position || !this.#maySend()) return;
    }
    this.#rung = true;
    if (this.#idle) void this.#answer();
  }

  /** Whether the message just committed is the very next one and may go out without a look into the store. */
  #takes(hint: StoredMessage): boolean {
    return this.#idle && this.#isCaughtUp && hint.sequence === this.#position + 1 && this.#maySend();
  }

  #maySend(): boolean {
    return !this.#isDisposed && this.#options.reader.isWritable && this.#redelivery?.isPending !== true;
  }

  #deliver(message: StoredMessage): void {
    this.#position = message.sequence;
    this.#handOver(message);
  }

  #handOver(message: StoredMessage): void {
    const { reader, transactionId } = this.#options;
    if (reader.deliver(message)) this.#context.receipts.delivered(transactionId, message.sequence);
  }

  async #begin(): Promise<void> {
    this.#idle = false;
    try {
      // An ack that is still on its way to the store must not be asked for again.
      if (this.#options.after === undefined) await this.#context.receipts.flush(this.#options.transactionId);
    } catch {
      // The store is away: #answer meets the same fault and tries again.
    }
    await this.#answer();
  }

  async #answer(): Promise<void> {
    this.#idle = false;
    try {
      while (this.#rung && !this.#isDisposed) {
        this.#rung = false;
        await this.#catchUp();
      }
    } catch {
      // The page stays; the store is asked again until it answers.
      this.#retry?.cancel();
      if (!this.#isDisposed) this.#retry = this.#context.clock.after(STORE_RETRY_MS, () => this.#ring());
    } finally {
      // Same tick as the loop's last look at #rung. A promise's own finally() would run later and lose a ring.
      this.#idle = true;
    }
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const page = await this.#read();
      if (this.#isDisposed) return;
      if (page === undefined) return this.#close('forgotten');
      if (!page.tokenIsGood) return this.#close('revoked');
      for (const message of page.messages) {
        // What is left unsent is read again when there is room, or when the nacked message is done with.
        if (!this.#maySend()) return;
        this.#deliver(message);
      }
      this.#watchExpiry(page);
      if (this.#position >= page.lastSequence) return this.#follow(page);
    }
  }

  async #read(): Promise<MailboxPage | undefined> {
    const { store } = this.#context;
    const { transactionId, after } = this.#options;
    const options = { limit: PAGE_SIZE, maxBytes: PAGE_BYTES, ...this.#token };
    if (this.#hasBegun) return store.read(transactionId, { ...options, after: this.#position });
    const page = await store.read(transactionId, { ...options, after: after ?? 'acked' });
    if (page === undefined) return undefined;
    this.#hasBegun = true;
    this.#tellBegun();
    if (after === undefined) this.#position = page.ackedSequence;
    else if (after <= page.lastSequence) this.#position = after;
    else {
      this.#isReset = true;
      this.#position = 0;
      return store.read(transactionId, { ...options, after: 0 });
    }
    return page;
  }

  #watchExpiry(page: MailboxPage): void {
    if (this.#isDisposed || this.expiresAt !== 0 || page.state !== 'open') return;
    const { clock, expiries } = this.#context;
    const now = clock.now();
    // Where the store's clock is behind ours, it is asked again instead of being believed or spun on.
    this.expiresAt = page.expiresAt > now ? page.expiresAt : now + STORE_RETRY_MS;
    expiries.add(this);
  }

  /** Everything there is has been sent. */
  #follow(page: MailboxPage): void {
    if (!this.#isCaughtUp) {
      this.#isCaughtUp = true;
      this.#options.reader.caughtUp(this.#position, this.#isReset);
    }
    if (page.state !== 'open' && this.#ending === undefined && this.#redelivery?.isPending !== true)
      this.#finish(page.state, page.ackedSequence >= page.lastSequence);
  }

  /** Nothing will come any more; what was sent may still be acked. */
  #finish(reason: 'settled' | 'expired', isAllAcked: boolean): void {
    const { reader, transactionId } = this.#options;
    const end = (): void => {
      this[Symbol.dispose]();
      reader.end();
    };
    reader.closed(reason);
    if (isAllAcked) end();
    else this.#ending = new Farewell({ ...this.#context, transactionId, onEnd: end });
  }

  /** At once, whatever is under way. */
  #close(reason: 'forgotten' | 'revoked'): void {
    this[Symbol.dispose]();
    this.#options.reader.closed(reason);
    this.#options.reader.end();
  }

  async #sendAgain(sequence: number): Promise<void> {
    try {
      const { store, receipts } = this.#context;
      const { transactionId } = this.#options;
      await receipts.flush(transactionId);
      const page = await store.read(transactionId, { after: sequence - 1, limit: 1, ...this.#token });
      // It left, or acked it, meanwhile.
      if (this.#isDisposed || this.#redelivery?.isWaiting(sequence) !== true) return;
      const message = page?.messages[0];
      // Handled on another connection meanwhile, forgotten, or revoked: the ring finds out which.
      if (message === undefined || page?.tokenIsGood !== true || page.ackedSequence >= sequence) return this.#release(sequence);
      if (!this.#options.reader.isWritable) return this.#redelivery.postpone(sequence);
      this.#redelivery.sent(sequence);
      this.#handOver(message);
    } catch {
      this.#redelivery?.postpone(sequence);
    }
  }
}
