/**
 * What a mailbox is, as plainly as it can be said: arrays, and rules that walk over them. Everything happens at once here;
 * there is no store, no doorbell and no writing behind. Time moves by whole seconds.
 */

export const LIMITS = {
  openTransactions: 5,
  messagesPerTransaction: 9,
  mailboxBytes: 300,
  retentionMs: 20_000,
  parkedMessages: 6,
  parkMs: 15_000,
  dedupeMs: 40_000,
} as const;

const LAST_ACKS_MS = 10_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000];

export type ModelOutcome =
  | { readonly handled: true; readonly reply: string | undefined }
  | { readonly handled: false; readonly error: string };

export interface ModelMessage {
  /** Empty while it is not known. */
  id: string;
  readonly sequence: number;
  readonly type: string;
  readonly data: string;
  /** Only of those that were parked. */
  readonly storedAt: number | undefined;
  attempts: number;
  outcome: ModelOutcome | undefined;
}

export interface Letter {
  readonly id?: string;
  readonly key?: string;
  readonly type: string;
  readonly data: string;
}

/** What becomes of a letter, before it is known which id a new message gets. */
export type Verdict =
  | { readonly kind: 'stored' }
  | { readonly kind: 'duplicate'; readonly first: ModelMessage }
  | { readonly kind: 'refused'; readonly code: string };

interface Retry {
  nacks: number;
  /** Undefined: sent again, and the answer is awaited. */
  dueAt: number | undefined;
}

interface ReaderOptions {
  readonly id: string;
  readonly tokenId: string | undefined;
  readonly after: number | undefined;
  readonly isWritable: boolean;
}

/** One connection. Its log is what the page sees, in order. */
export class ModelReader {
  readonly log: string[] = [];
  readonly id: string;
  readonly transaction: ModelTransaction;
  readonly #tokenId: string | undefined;
  readonly #isReset: boolean;
  readonly #retries = new Map<number, Retry>();
  readonly #failed = new Set<number>();
  position: number;
  isWritable: boolean;
  isGone = false;
  #isCaughtUp = false;
  #closedAt: number | undefined;

  constructor(transaction: ModelTransaction, options: ReaderOptions) {
    this.id = options.id;
    this.isWritable = options.isWritable;
    this.transaction = transaction;
    this.#tokenId = options.tokenId;
    const after = options.after ?? transaction.acked;
    this.#isReset = after > transaction.last;
    this.position = this.#isReset ? 0 : after;
  }

  /** Sends what may be sent, and closes when there is a reason to. */
  flow(): void {
    const { transaction } = this;
    if (this.isGone) return;
    if (transaction.state === 'forgotten') return this.#leave('forgotten');
    if (this.#tokenId !== undefined && !transaction.tokens.has(this.#tokenId)) return this.#leave('revoked');
    while (this.position < transaction.last && this.isWritable && this.#retries.size === 0) this.#deliver(++this.position);
    if (this.position === transaction.last) this.#follow();
  }

  /** A second has passed. */
  tick(): void {
    const { transaction } = this;
    const { now } = transaction.model;
    if (this.isGone) return;
    if (this.#closedAt !== undefined && now - this.#closedAt >= LAST_ACKS_MS) return this.#end();
    if (transaction.state === 'forgotten') return this.flow();
    for (const [sequence, retry] of this.#retries) {
      if (retry.dueAt !== now) continue;
      if (transaction.acked >= sequence) this.#retries.delete(sequence);
      else if (!this.isWritable) this.#wait(sequence, { ...retry, dueAt: now + 1_000 });
      else {
        retry.dueAt = undefined;
        this.#deliver(sequence);
      }
    }
    this.flow();
  }

  ack(sequence: number, reply: string | undefined): void {
    const except = new Set([...this.#retries.keys()].filter((nacked) => nacked < sequence));
    this.#retries.delete(sequence);
    this.transaction.handle({ sequence, reply, except });
  }

  nack(sequence: number, error: string): void {
    const retry = this.#retries.get(sequence) ?? { nacks: 0, dueAt: undefined };
    if (retry.dueAt !== undefined || this.#failed.has(sequence)) return;
    const delay = RETRY_MS[retry.nacks];
    if (delay === undefined) {
      this.#retries.delete(sequence);
      this.#failed.add(sequence);
      this.transaction.fail(sequence, error);
      return;
    }
    this.#wait(sequence, { nacks: retry.nacks + 1, dueAt: this.transaction.model.now + delay });
  }

  /** The order of the map is the order of the deliveries that fall due together. */
  #wait(sequence: number, retry: Retry): void {
    this.#retries.delete(sequence);
    this.#retries.set(sequence, retry);
  }

  /** Everything there is has been sent. */
  #follow(): void {
    const { transaction } = this;
    if (!this.#isCaughtUp) this.log.push(`caughtUp ${this.position}${this.#isReset ? ' reset' : ''}`);
    this.#isCaughtUp = true;
    if (transaction.state !== 'open' && this.#closedAt === undefined && this.#retries.size === 0) {
      this.log.push(`closed ${transaction.state}`);
      this.#closedAt = transaction.model.now;
    }
    if (this.#closedAt !== undefined && transaction.acked >= transaction.last) this.#end();
  }

  #deliver(sequence: number): void {
    const message = this.transaction.messages[sequence - 1];
    if (message === undefined) throw new Error('the model delivers what it does not have');
    message.attempts++;
    this.log.push(`message ${sequence} ${message.data}`);
  }

  #leave(reason: 'forgotten' | 'revoked'): void {
    this.log.push(`closed ${reason}`);
    this.#end();
  }

  #end(): void {
    this.log.push('end');
    this.isGone = true;
  }
}

export class ModelTransaction {
  readonly model: Model;
  readonly id: string;
  readonly expiresAt: number;
  readonly reference: string | undefined;
  readonly tokens = new Set<string>();
  readonly messages: ModelMessage[] = [];
  readonly readers: ModelReader[] = [];
  readonly #names = new Map<string, ModelMessage>();
  settledAt: number | undefined;
  isForgotten = false;

  constructor(model: Model, options: { id: string; tokenId: string; ttlMs: number; reference: string | undefined }) {
    this.model = model;
    this.id = options.id;
    this.expiresAt = model.now + options.ttlMs;
    this.reference = options.reference;
    this.tokens.add(options.tokenId);
  }

  get state(): 'open' | 'settled' | 'expired' | 'forgotten' {
    const { now } = this.model;
    const endsAt = this.settledAt ?? this.expiresAt;
    if (this.isForgotten || endsAt + LIMITS.retentionMs <= now) return 'forgotten';
    if (this.settledAt !== undefined) return 'settled';
    return endsAt <= now ? 'expired' : 'open';
  }

  get last(): number {
    return this.messages.length;
  }

  get acked(): number {
    const pending = this.messages.findIndex(({ outcome }) => outcome === undefined);
    return pending < 0 ? this.last : pending;
  }

  judge({ id, key, type, data }: Letter): Verdict {
    if (this.state === 'forgotten') return { kind: 'refused', code: 'transaction_not_found' };
    const name = id ?? key;
    const first = name === undefined ? undefined : this.#names.get(name);
    if (first !== undefined) {
      const isSame = first.type === type && first.data === data;
      return isSame ? { kind: 'duplicate', first } : { kind: 'refused', code: 'idempotency_conflict' };
    }
    if (this.state !== 'open') return { kind: 'refused', code: `transaction_${this.state}` };
    return isFull(this.messages, data) ? { kind: 'refused', code: 'mailbox_full' } : { kind: 'stored' };
  }

  store(id: string, { key, type, data, at }: Pick<Letter, 'key' | 'type' | 'data'> & { readonly at?: number }): ModelMessage {
    const message: ModelMessage = { id, sequence: this.last + 1, type, data, storedAt: at, attempts: 0, outcome: undefined };
    this.messages.push(message);
    if (id !== '') this.#names.set(id, message);
    if (key !== undefined) this.#names.set(key, message);
    return message;
  }

  rename(message: ModelMessage, id: string): void {
    message.id = id;
    this.#names.set(id, message);
  }

  handle({ sequence, reply, except }: { sequence: number; reply: string | undefined; except: ReadonlySet<number> }): void {
    for (const message of this.messages.slice(0, sequence)) {
      const isExact = message.sequence === sequence;
      if (message.outcome?.handled === true || except.has(message.sequence)) continue;
      if (message.outcome === undefined || isExact) message.outcome = { handled: true, reply: isExact ? reply : undefined };
    }
  }

  fail(sequence: number, error: string): void {
    const message = this.messages[sequence - 1];
    if (message !== undefined) message.outcome ??= { handled: false, error };
  }
}

/** A webhook, for a transaction by its id or by its reference. */
export interface ModelEvent {
  readonly hash: string;
  readonly source: string;
  readonly recipient: { readonly transactionId: string } | { readonly reference: string };
  readonly type: string;
  readonly data: string;
}

export interface ModelParked {
  readonly source: string;
  readonly reference: string;
  readonly type: string;
  readonly data: string;
  readonly at: number;
}

/** What becomes of an event, before it is known which id its message gets. */
export type Reception =
  | { readonly outcome: 'stored'; readonly transaction: ModelTransaction }
  | { readonly outcome: 'parked' | 'settled' | 'expired' | 'unknown' }
  | { readonly outcome: 'duplicate'; readonly transactionId: string | undefined }
  | { readonly outcome: 'refused'; readonly code: string };

/** Every transaction there ever was, the time, and the webhooks that came. */
export class Model {
  readonly transactions: ModelTransaction[] = [];
  readonly begunAt: number;
  now: number;
  /** Sources of parked messages that nobody came for in time. */
  readonly unclaimed: string[] = [];
  #parked: ModelParked[] = [];
  readonly #events = new Map<string, number>();

  constructor(now: number) {
    this.begunAt = now;
    this.now = now;
  }

  /** Takes an event; a message that is stored is for the caller to add, with its id. */
  receive(event: ModelEvent): Reception {
    const transaction = this.#recipient(event.recipient);
    const receivedAt = this.#events.get(event.hash);
    if (receivedAt !== undefined && this.now - receivedAt < LIMITS.dedupeMs) {
      return { outcome: 'duplicate', transactionId: transaction?.state === 'open' ? transaction.id : undefined };
    }
    const reception = transaction === undefined ? this.#park(event) : reach(transaction, event);
    if (reception.outcome !== 'unknown' && reception.outcome !== 'refused') this.#events.set(event.hash, this.now);
    return reception;
  }

  /** In order of arrival. */
  parkedFor(reference: string): readonly ModelParked[] {
    return this.#parked.filter((each) => each.reference === reference);
  }

  claim(reference: string): void {
    this.#parked = this.#parked.filter((each) => each.reference !== reference);
  }

  #park({ source, recipient, type, data }: ModelEvent): Reception {
    if (!('reference' in recipient)) return { outcome: 'unknown' };
    const { reference } = recipient;
    if (isFull(this.parkedFor(reference), data)) return { outcome: 'refused', code: 'mailbox_full' };
    if (this.#parked.length >= LIMITS.parkedMessages) return { outcome: 'refused', code: 'too_many_parked' };
    this.#parked.push({ source, reference, type, data, at: this.now });
    return { outcome: 'parked' };
  }

  #recipient(recipient: ModelEvent['recipient']): ModelTransaction | undefined {
    const present = this.transactions.filter(({ state }) => state !== 'forgotten');
    if ('transactionId' in recipient) return present.find(({ id }) => id === recipient.transactionId);
    const same = present.filter(({ reference }) => reference === recipient.reference);
    return same.find(({ state }) => state === 'open') ?? same.at(-1);
  }

  get readers(): readonly ModelReader[] {
    return this.transactions.flatMap(({ readers }) => readers);
  }

  get liveReaders(): readonly ModelReader[] {
    return this.readers.filter(({ isGone }) => !isGone);
  }

  /** Why a transaction cannot be opened. */
  refusal(reference: string | undefined): string | undefined {
    const open = this.transactions.filter(({ state }) => state === 'open');
    if (reference !== undefined && open.some((each) => each.reference === reference)) return 'reference_taken';
    return open.length >= LIMITS.openTransactions ? 'too_many_transactions' : undefined;
  }

  /** One second later. */
  tick(): void {
    this.now += 1_000;
    const isLate = ({ at }: ModelParked): boolean => this.now - at >= LIMITS.parkMs;
    this.unclaimed.push(...this.#parked.filter(isLate).map(({ source }) => source));
    this.#parked = this.#parked.filter((each) => !isLate(each));
    for (const reader of this.readers) reader.tick();
  }

  /** After anything that happened: what it sets going. */
  flow(): void {
    for (const reader of this.readers) reader.flow();
  }
}

export function statusOf({ state }: ModelTransaction, { outcome, attempts }: ModelMessage): string {
  if (outcome !== undefined) return outcome.handled ? 'handled' : 'failed';
  if (state === 'expired') return 'expired';
  return attempts > 0 ? 'delivered' : 'stored';
}

function reach(transaction: ModelTransaction, { data }: ModelEvent): Reception {
  const { state } = transaction;
  if (state === 'settled' || state === 'expired') return { outcome: state };
  return isFull(transaction.messages, data) ? { outcome: 'refused', code: 'mailbox_full' } : { outcome: 'stored', transaction };
}

/** Whether a mailbox with this in it takes no more of that length. */
function isFull(content: readonly { readonly data: string }[], data: string): boolean {
  const bytes = content.reduce((sum, message) => sum + message.data.length, data.length);
  return content.length >= LIMITS.messagesPerTransaction || bytes > LIMITS.mailboxBytes;
}
