/** One transaction in memory: its mailbox, its receipts and what grants access to it. Knows nothing of other transactions. */
import { limitReached } from './capacity.ts';
import { inUse } from './in-use.ts';
import { stateAt } from './lifetime.ts';
import type { Effect, EffectRun, Outcome } from './marks.ts';
import { newMessageId } from './message-id.ts';
import type { ParkedMessage } from './receive.ts';
import type {
  AppendResult,
  ConnectionRow,
  MailboxPage,
  MailboxPosition,
  NewMessage,
  NewTransaction,
  OpenResult,
  ReadOptions,
  Receipt,
  StoredMessage,
  StoreLimits,
  TransactionRecord,
} from './store.ts';

interface Entry {
  readonly message: StoredMessage;
  readonly bytes: number;
  attempts: number;
  deliveredAt: number | undefined;
  outcome: Outcome | undefined;
}

/** Of all transactions, so that one that comes later begins with a number that none of the same id had. */
let lastVersion = 0;

export class MemoryTransaction {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly reference: string | undefined;
  /** Hashes by public id; likewise below. */
  readonly tokens = new Map<string, string>();
  readonly callbacks = new Map<string, string>();
  readonly connections = new Map<string, ConnectionRow>();
  readonly #wanted: NewTransaction;
  readonly #entries: Entry[] = [];
  /** By every message id and idempotency key. */
  readonly #byName = new Map<string, Entry>();
  #bytes = 0;
  #ackedSequence = 0;
  #settledAt: number | undefined;
  #version = ++lastVersion;

  constructor(wanted: NewTransaction, now: number) {
    this.#wanted = wanted;
    this.id = wanted.id;
    this.reference = wanted.reference;
    this.createdAt = now;
    this.expiresAt = now + wanted.ttlMs;
  }

  get settled(): boolean {
    return this.#settledAt !== undefined;
  }

  get endsAt(): number {
    return this.#settledAt ?? this.expiresAt;
  }

  get lastSequence(): number {
    return this.#entries.length;
  }

  get ackedSequence(): number {
    return this.#ackedSequence;
  }

  get version(): number {
    return this.#version;
  }

  /** Something became another that somebody may look at. */
  touch(): void {
    this.#version = ++lastVersion;
  }

  /** An `open` whose answer was lost is asked again with the same secrets; anything else is another's id. */
  openAgain({ token }: NewTransaction): OpenResult {
    if (this.tokens.get(token.id) !== token.hash) throw inUse();
    return { outcome: 'opened', createdAt: this.createdAt, expiresAt: this.expiresAt };
  }

  append(wanted: NewMessage, { now, limits }: { readonly now: number; readonly limits: StoreLimits }): AppendResult {
    const { key, type, data } = wanted;
    const id = wanted.id ?? newMessageId(this.lastSequence + 1);
    const first = (key === undefined ? undefined : this.#byName.get(key)) ?? this.#byName.get(id);
    if (first !== undefined) {
      const isSame = first.message.type === type && first.message.data === data;
      return isSame ? { outcome: 'duplicate', message: first.message } : { outcome: 'conflict' };
    }
    const state = stateAt(this, now);
    if (state !== 'open') return { outcome: state };
    const bytes = Buffer.byteLength(data);
    const limit = limitReached({ messages: this.#entries.length, bytes: this.#bytes }, bytes, limits);
    if (limit !== undefined) return { outcome: 'full', limit };
    const entry = this.#add({ id, type, data, storedAt: now }, bytes);
    if (key !== undefined) this.#byName.set(key, entry);
    return { outcome: 'stored', message: entry.message };
  }

  /** Takes what was parked for it, when it is new. */
  attach(parked: readonly ParkedMessage[]): void {
    for (const each of parked) this.#add(each, Buffer.byteLength(each.data));
  }

  page({ after, limit, maxBytes = Infinity, tokenId }: ReadOptions, now: number): MailboxPage {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    const start = after === 'acked' ? this.#ackedSequence : after;
    for (const entry of this.#entries.slice(start, start + limit)) {
      bytes += entry.bytes;
      if (messages.length > 0 && bytes > maxBytes) break;
      messages.push(entry.message);
    }
    return { ...this.#position(now), messages, tokenIsGood: tokenId === undefined || this.tokens.has(tokenId) };
  }

  receipt(messageId: string, now: number): Receipt | undefined {
    const entry = this.#byName.get(messageId);
    // Else the name is a key of a message that has another id.
    if (entry?.message.id !== messageId) return undefined;
    const { message, attempts, deliveredAt, outcome } = entry;
    return {
      id: message.id,
      sequence: message.sequence,
      storedAt: message.storedAt,
      transactionState: stateAt(this, now),
      attempts,
      ...(deliveredAt === undefined ? {} : { deliveredAt }),
      ...(outcome?.kind === 'handled' ? { handledAt: outcome.at } : {}),
      ...(outcome?.kind === 'handled' && outcome.reply !== undefined ? { reply: outcome.reply } : {}),
      ...(outcome?.kind === 'failed' ? { failedAt: outcome.at, error: outcome.error } : {}),
    };
  }

  record(now: number): TransactionRecord {
    const { reference, metadata, anonymousOrigin } = this.#wanted;
    return {
      ...this.#position(now),
      id: this.id,
      createdAt: this.createdAt,
      ...(reference === undefined ? {} : { reference }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(anonymousOrigin === undefined ? {} : { anonymousOrigin }),
      connections: [...this.connections.values()],
    };
  }

  /** Whether it was open until now. */
  settle(now: number): boolean {
    const wasOpen = stateAt(this, now) === 'open';
    if (!wasOpen) return false;
    this.#settledAt = now;
    this.touch();
    return true;
  }

  apply(runs: readonly EffectRun[]): void {
    for (const { from, to, effect } of runs) {
      for (const entry of this.#entries.slice(from - 1, to)) applyTo(entry, effect);
    }
    while (this.#entries[this.#ackedSequence]?.outcome !== undefined) this.#ackedSequence += 1;
    this.touch();
  }

  #add({ id, type, data, storedAt }: Pick<StoredMessage, 'id' | 'type' | 'data' | 'storedAt'>, bytes: number): Entry {
    const message = { transactionId: this.id, id, sequence: this.#entries.length + 1, type, data, storedAt };
    const entry: Entry = { message, bytes, attempts: 0, deliveredAt: undefined, outcome: undefined };
    this.#entries.push(entry);
    this.#bytes += bytes;
    this.#byName.set(id, entry);
    this.touch();
    return entry;
  }

  #position(now: number): MailboxPosition {
    const { expiresAt, lastSequence, ackedSequence } = this;
    return { state: stateAt(this, now), expiresAt, lastSequence, ackedSequence };
  }
}

function applyTo(entry: Entry, effect: Effect): void {
  entry.attempts += effect.deliveries;
  entry.deliveredAt ??= effect.deliveredAt;
  if (entry.outcome === undefined) entry.outcome = effect.ifPending;
  else if (entry.outcome.kind === 'failed') entry.outcome = effect.ifFailed ?? entry.outcome;
}
