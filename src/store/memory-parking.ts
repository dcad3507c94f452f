/** The messages in a {@link MemoryStore} that wait for the transaction with their reference. Knows nothing of transactions. */
import { limitReached } from './capacity.ts';
import { inUse } from './in-use.ts';
import type { ParkedMessage } from './receive.ts';
import type { ReceiveResult, StoreLimits } from './store.ts';

/** What waits under one reference. */
interface Group {
  /** By id, in order of arrival. */
  readonly messages: Map<string, ParkedMessage>;
  bytes: number;
}

export class MemoryParking {
  readonly #limits: StoreLimits;
  /** Those whose time is not over, in order of arrival. */
  readonly #waiting = new Set<ParkedMessage>();
  readonly #byReference = new Map<string, Group>();
  /** Sources of those whose time is over, until the sweep has told of them. */
  #unclaimed: string[] = [];

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  /** @throws internal_error when a message with its reference and id waits already */
  park(message: ParkedMessage): ReceiveResult {
    this.#expire(message.storedAt);
    const group = this.#byReference.get(message.reference) ?? { messages: new Map(), bytes: 0 };
    if (group.messages.has(message.id)) throw inUse();
    const bytes = Buffer.byteLength(message.data);
    const limit = limitReached({ messages: group.messages.size, bytes: group.bytes }, bytes, this.#limits);
    if (limit !== undefined) return { outcome: 'full', limit };
    if (this.#waiting.size >= this.#limits.parkedMessages) return { outcome: 'full', limit: 'parkedMessages' };
    group.messages.set(message.id, message);
    group.bytes += bytes;
    this.#byReference.set(message.reference, group);
    this.#waiting.add(message);
    return { outcome: 'parked' };
  }

  /** Everything that waits under a reference, in order of arrival; it waits no more. */
  take(reference: string, now: number): readonly ParkedMessage[] {
    this.#expire(now);
    const messages = [...(this.#byReference.get(reference)?.messages.values() ?? [])];
    this.#byReference.delete(reference);
    for (const each of messages) this.#waiting.delete(each);
    return messages;
  }

  /** The sources of those that nobody came for, oldest first, each told once. */
  takeUnclaimed(limit: number, now: number): { readonly sources: readonly string[]; readonly more: boolean } {
    this.#expire(now);
    const sources = this.#unclaimed.slice(0, limit);
    this.#unclaimed = this.#unclaimed.slice(limit);
    return { sources, more: this.#unclaimed.length > 0 };
  }

  #expire(now: number): void {
    for (const message of this.#waiting) {
      if (message.storedAt + this.#limits.parkMs > now) return;
      this.#waiting.delete(message);
      this.#leave(message);
      this.#unclaimed.push(message.source);
    }
  }

  #leave({ reference, id, data }: ParkedMessage): void {
    const group = this.#byReference.get(reference);
    if (group?.messages.delete(id) !== true) return;
    group.bytes -= Buffer.byteLength(data);
    if (group.messages.size === 0) this.#byReference.delete(reference);
  }
}
