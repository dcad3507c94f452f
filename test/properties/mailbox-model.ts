/**
 * What a mailbox is, as plainly as it can be said: arrays, and rules that walk over them. Everything happens at once here;
 * there is no store, no doorbell and no writing behind. Time moves by whole seconds.
 */

export const LIMITS = { openTransactions: 5, messagesPerTransaction: 9, mailboxBytes: 300, retentionMs: 20_000 } as const;

const LAST_ACKS_MS = 10_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000];

export type ModelOutcome =
  | { readonly handled: true; readonly reply: string | undefined }
  | { readonly handled: false; readonly error: string };

export interface ModelMessage {
  readonly id: string;
  readonly sequence: number;
  readonly type: string;
  readonly data: string;
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
    const bytes = this.messages.reduce((sum, message) => sum + message.data.length, data.length);
    const isFull = this.last >= LIMITS.messagesPerTransaction || bytes > LIMITS.mailboxBytes;
    return isFull ? { kind: 'refused', code: 'mailbox_full' } : { kind: 'stored' };
  }

  store(id: string, { key, type, data }: Letter): ModelMessage {
    const message: ModelMessage = { id, sequence: this.last + 1, type, data, attempts: 0, outcome: undefined };
    this.messages.push(message);
    this.#names.set(id, message);
    if (key !== undefined) this.#names.set(key, message);
    return message;
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

/** Every transaction there ever was, and the time. */
export class Model {
  readonly transactions: ModelTransaction[] = [];
  now: number;

  constructor(now: number) {
    this.now = now;
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
