/** One attachment over the memory store, whose reads take as many microtasks as a test wants, and fail when it wants. */
import { MemoryBackplane } from '../../src/backplane/memory.ts';
import { RingbackError } from '../../src/errors.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { MailboxPage, ReadOptions, StoredMessage } from '../../src/store/store.ts';
import { Attachment, type ClosedReason, type Reader } from '../../src/transactions/attachment.ts';
import { ConnectionTable } from '../../src/transactions/connection-table.ts';
import { Expiries } from '../../src/transactions/expiries.ts';
import { FreshGrants } from '../../src/transactions/fresh-grants.ts';
import { Mailbox } from '../../src/transactions/mailbox.ts';
import { Receipts } from '../../src/transactions/receipts.ts';
import { Transactions, type Opened } from '../../src/transactions/transactions.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

const LIMITS = {
  openTransactions: 10,
  messagesPerTransaction: 10_000,
  mailboxBytes: 2 ** 20,
  retentionMs: 86_400_000,
  parkedMessages: 10,
  parkMs: 86_400_000,
  dedupeMs: 86_400_000,
};

/** Notes what it is told: `1` for a message, words for the rest. */
export class NotingReader implements Reader {
  readonly log: string[] = [];
  isWritable = true;
  /** Stops being writable after so many messages. */
  room = Infinity;

  deliver({ sequence }: StoredMessage): boolean {
    this.log.push(String(sequence));
    this.room--;
    this.isWritable = this.room > 0;
    return true;
  }

  caughtUp(sequence: number, reset: boolean): void {
    this.log.push(`caughtUp ${sequence}${reset ? ' reset' : ''}`);
  }

  closed(reason: ClosedReason): void {
    this.log.push(reason);
  }

  end(): void {
    this.log.push('end');
  }

  get sequences(): number[] {
    return this.log.filter((entry) => /^\d+$/.test(entry)).map(Number);
  }
}

/** The parts that share one store and one clock. */
function createParts() {
  const clock = new ManualClock();
  const store = new MemoryStore({ limits: LIMITS, clock });
  const backplane = new MemoryBackplane();
  const receipts = new Receipts({ store, clock });
  const connections = new ConnectionTable({ store, clock });
  const transactions = new Transactions({ store, backplane, receipts, connections, fresh: new FreshGrants(clock) });
  const mailbox = new Mailbox({ store, backplane, receipts, clock });
  return { clock, store, backplane, receipts, transactions, mailbox, expiries: new Expiries(clock) };
}

type Parts = ReturnType<typeof createParts>;

export class World {
  readonly parts: Parts;
  readonly opened: Opened;
  readonly reader = new NotingReader();
  /** Microtasks that a read takes beyond those of the store. */
  slowness = 0;
  /** Reads that will fail. */
  failures = 0;
  #lastId = '';

  private constructor(parts: Parts, opened: Opened) {
    this.parts = parts;
    this.opened = opened;
  }

  /** With one transaction of a minute, and so many messages in it. */
  static async create(messages = 0): Promise<World> {
    const parts = createParts();
    const world = new World(parts, await parts.transactions.open({ ttlMs: 60_000 }));
    for (let n = 0; n < messages; n++) await world.append();
    return world;
  }

  get id(): string {
    return this.opened.id;
  }

  attach(after?: number): Attachment {
    const store = { read: (id: string, options: ReadOptions) => this.#read(id, options) };
    const tokenId = this.opened.token.id;
    return new Attachment({ transactionId: this.id, tokenId, after, reader: this.reader }, { ...this.parts, store });
  }

  async append(): Promise<void> {
    const { message } = await this.parts.mailbox.append(this.id, { type: 'note', data: '1' });
    this.#lastId = message.id;
  }

  async statusOfLast(): Promise<{ readonly handled: boolean; readonly failed: boolean; readonly attempts: number }> {
    const { handledAt, failedAt, attempts } = await this.parts.mailbox.receipt(this.id, this.#lastId);
    return { handled: handledAt !== undefined, failed: failedAt !== undefined, attempts };
  }

  async #read(id: string, options: ReadOptions): Promise<MailboxPage | undefined> {
    const page = await this.parts.store.read(id, options);
    await microtasks(this.slowness);
    if (this.failures === 0) return page;
    this.failures--;
    throw new RingbackError('store_unavailable');
  }
}

/** Lets so many microtasks pass. */
export async function microtasks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await Promise.resolve();
}

/** Lets everything pass that does not wait for a clock. */
export async function quiet(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Runs once for each pair of an offset, in microtasks, and a slowness of the store. */
export async function eachOffset(run: (at: number, slowness: number) => Promise<void>): Promise<void> {
  let runs = 0;
  for (let slowness = 0; slowness < 8; slowness += 2) {
    for (let at = 0; at < 32; at++, runs++) await run(at, slowness);
  }
  if (runs !== 128) throw new Error(`expected 128 interleavings, ran ${runs}`);
}
