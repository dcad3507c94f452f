/** What a {@link MemoryStore} brings along to receive events: which it knows, and which wait for their transaction. */
import { MemoryEvents } from './memory-events.ts';
import { MemoryParking } from './memory-parking.ts';
import type { MemoryTransaction } from './memory-transaction.ts';
import type { Intake, ParkedMessage } from './receive.ts';
import type { AppendResult, NewMessage, ReceiveResult, Recipient, StoreLimits, SweepResult } from './store.ts';

type Find = (recipient: Recipient, now: number) => MemoryTransaction | undefined;

export class MemoryIntake implements Intake<MemoryTransaction> {
  readonly #limits: StoreLimits;
  readonly #events: MemoryEvents;
  readonly #parking: MemoryParking;
  readonly find: Find;

  constructor(limits: StoreLimits, find: Find) {
    this.#limits = limits;
    this.#events = new MemoryEvents(limits.dedupeMs);
    this.#parking = new MemoryParking(limits);
    this.find = find;
  }

  isKnown(eventHash: string, now: number): boolean {
    return this.#events.isKnown(eventHash, now);
  }

  note(eventHash: string, now: number): void {
    this.#events.note(eventHash, now);
  }

  append(transaction: MemoryTransaction, message: NewMessage, now: number): AppendResult {
    return transaction.append(message, { now, limits: this.#limits });
  }

  park(message: ParkedMessage): ReceiveResult {
    return this.#parking.park(message);
  }

  /** Gives a new transaction what waits for it. */
  attach(transaction: MemoryTransaction, now: number): void {
    if (transaction.reference !== undefined) transaction.attach(this.#parking.take(transaction.reference, now));
  }

  sweep(limit: number, now: number): Pick<SweepResult, 'unclaimed' | 'more'> {
    const { sources, more } = this.#parking.takeUnclaimed(limit, now);
    const moreEvents = this.#events.dropLate(limit, now);
    return { unclaimed: sources, more: more || moreEvents };
  }
}
