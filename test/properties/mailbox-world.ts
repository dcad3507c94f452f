/**
 * The real mailbox for the model to be compared with: the domain objects on a store, driven by a clock that stands still.
 * One life ends by {@link World.restart} or {@link World.crash}; the next begins on the same store.
 */
import assert from 'node:assert/strict';
import { MemoryBackplane } from '../../src/backplane/memory.ts';
import type { Clock, Timer } from '../../src/clock.ts';
import { RingbackError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import type { Store, StoredMessage } from '../../src/store/store.ts';
import { Attachment, type ClosedReason, type Reader } from '../../src/transactions/attachment.ts';
import { ConnectionTable } from '../../src/transactions/connection-table.ts';
import { Expiries } from '../../src/transactions/expiries.ts';
import { FreshGrants } from '../../src/transactions/fresh-grants.ts';
import { Mailbox } from '../../src/transactions/mailbox.ts';
import { Receipts } from '../../src/transactions/receipts.ts';
import { Sweeper } from '../../src/transactions/sweeper.ts';
import { Transactions } from '../../src/transactions/transactions.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

/** A store that outlives the objects on top of it. */
export interface StoreHome {
  /** Opens it, or opens it again after it was disposed. */
  open(clock: Clock): Promise<Store>;
  /** Whether what is written outlives a disposal; else the same store is handed out again. */
  readonly isDurable: boolean;
}

/** The page's side of a connection: notes what it is told, in the words of the model. */
export class RecordingReader implements Reader {
  readonly log: string[] = [];
  readonly #onEnd: () => void;
  isWritable = true;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  deliver({ sequence, data }: StoredMessage): boolean {
    this.log.push(`message ${sequence} ${data}`);
    return true;
  }

  caughtUp(sequence: number, reset: boolean): void {
    this.log.push(`caughtUp ${sequence}${reset ? ' reset' : ''}`);
  }

  closed(reason: ClosedReason): void {
    this.log.push(`closed ${reason}`);
  }

  end(): void {
    this.log.push('end');
    this.#onEnd();
  }
}

export interface Connected {
  readonly reader: RecordingReader;
  readonly attachment: Attachment;
}

/** All that dies with a process. */
class Life {
  readonly #clock: ManualClock;
  readonly store: Store;
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly backplane = new MemoryBackplane();
  readonly transactions: Transactions;
  readonly mailbox: Mailbox;
  readonly sweeper: Sweeper;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #timers = new Set<Timer>();
  #calls = 0;
  #isDead = false;

  constructor(store: Store, clock: ManualClock, onUnclaimed: (source: string, count: number) => void) {
    this.#clock = clock;
    this.store = this.#watched(store);
    const parts = { store: this.store, backplane: this.backplane, clock: this.#mortal() };
    this.receipts = new Receipts(parts);
    this.connections = new ConnectionTable(parts);
    this.transactions = new Transactions({
      ...parts,
      receipts: this.receipts,
      connections: this.connections,
      fresh: new FreshGrants(parts.clock),
    });
    this.mailbox = new Mailbox({ ...parts, receipts: this.receipts });
    this.sweeper = new Sweeper({ ...parts, logger: silentLogger, onUnclaimed });
  }

  get clock(): Clock {
    return this.#mortal();
  }

  /** Nothing of this life happens from now on. */
  kill(): void {
    this.#isDead = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Resolves when nothing happens any more unless somebody calls or time passes. */
  async quiet(): Promise<void> {
    for (;;) {
      const before = this.#calls;
      await Promise.allSettled(this.#pending);
      // Microtasks of whatever was answered have run by then.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#calls === before && this.#pending.size === 0) return;
    }
  }

  /** The store, with its open calls counted, and out of reach of a dead life. */
  #watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (this.#isDead) return Promise.reject(new RingbackError('store_unavailable'));
          const result: unknown = Reflect.apply(member, target, args);
          this.#calls++;
          void this.#track(Promise.resolve(result));
          return result;
        };
      },
    });
  }

  async #track(call: Promise<unknown>): Promise<void> {
    this.#pending.add(call);
    await Promise.allSettled([call]);
    this.#pending.delete(call);
  }

  #mortal(): Clock {
    return {
      now: () => this.#clock.now(),
      steady: () => this.#clock.steady(),
      after: (delayMs, callback) => {
        const timer = this.#isDead ? { cancel: () => undefined } : this.#clock.after(delayMs, callback);
        this.#timers.add(timer);
        return timer;
      },
    };
  }
}

export class World {
  readonly clock = new ManualClock();
  readonly isDurable: boolean;
  readonly #home: StoreHome;
  #store: Store;
  #life: Life;
  /** By connection id. */
  readonly connected = new Map<string, Connected>();
  #connections = 0;
  /** Sources of parked messages that nobody came for, as the sweeper tells of them: over all lives. */
  readonly unclaimed: string[] = [];

  private constructor(home: StoreHome, clock: ManualClock, store: Store) {
    this.#home = home;
    this.isDurable = home.isDurable;
    this.clock = clock;
    this.#store = store;
    this.#life = this.#newLife();
  }

  static async create(home: StoreHome): Promise<World> {
    const clock = new ManualClock();
    return new World(home, clock, await home.open(clock));
  }

  get transactions(): Transactions {
    return this.#life.transactions;
  }

  get mailbox(): Mailbox {
    return this.#life.mailbox;
  }

  quiet(): Promise<void> {
    return this.#life.quiet();
  }

  /** As the hub does when a page connects; returns the connection's id. */
  attach(options: {
    transactionId: string;
    tokenId: string | undefined;
    after: number | undefined;
    isWritable: boolean;
  }): string {
    const life = this.#life;
    const id = `connection-${++this.#connections}`;
    const reader: RecordingReader = new RecordingReader(() => this.detach(id));
    reader.isWritable = options.isWritable;
    const row = { id, transactionId: options.transactionId, node: 'node', transport: 'WebSockets', since: this.clock.now() };
    life.connections.add(row);
    const { store, backplane, receipts, clock } = life;
    this.connected.set(id, {
      reader,
      attachment: new Attachment({ ...options, reader }, { store, backplane, receipts, clock, expiries: new Expiries(clock) }),
    });
    return id;
  }

  /** As the hub does when it has gone. */
  detach(id: string): void {
    this.#connection(id).attachment[Symbol.dispose]();
    this.#life.connections.remove(id);
  }

  logOf(id: string): readonly string[] {
    return this.#connection(id).reader.log;
  }

  /** The transport has room, or has none. That it has room again is told apart, by {@link resume}. */
  setWritable(id: string, isWritable: boolean): void {
    this.#connection(id).reader.isWritable = isWritable;
  }

  resume(id: string): void {
    this.#connection(id).attachment.resume();
  }

  attachmentOf(id: string): Attachment {
    return this.#connection(id).attachment;
  }

  /** So much later, with everything that falls due on the way. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.quiet();
  }

  /** An orderly end and a new start. The pages have been sent away before. */
  async restart(): Promise<void> {
    await this.#end();
    assert.equal(this.clock.pendingCount, 0, 'a life that ended has left no timer');
    await this.#begin();
  }

  /** `kill -9`: what was not committed is lost. */
  async crash(): Promise<void> {
    this.#life.kill();
    await this.#life.quiet();
    await this.#store[Symbol.asyncDispose]();
    await this.#begin();
  }

  /** All pages leave. */
  detachAll(): void {
    for (const id of this.connected.keys()) this.detach(id);
    this.connected.clear();
  }

  async dispose(): Promise<void> {
    this.detachAll();
    await this.#end();
    if (!this.isDurable) await this.#store[Symbol.asyncDispose]();
  }

  async #end(): Promise<void> {
    const { sweeper, receipts, connections, backplane } = this.#life;
    await sweeper[Symbol.asyncDispose]();
    await receipts[Symbol.asyncDispose]();
    await connections[Symbol.asyncDispose]();
    await backplane[Symbol.asyncDispose]();
    if (this.isDurable) await this.#store[Symbol.asyncDispose]();
  }

  async #begin(): Promise<void> {
    if (this.isDurable) this.#store = await this.#home.open(this.clock);
    this.#life = this.#newLife();
  }

  #newLife(): Life {
    return new Life(this.#store, this.clock, (source, count) => {
      for (let index = 0; index < count; index++) this.unclaimed.push(source);
    });
  }

  #connection(id: string): Connected {
    const found = this.connected.get(id);
    assert.ok(found, `there is a connection ${id}`);
    return found;
  }
}
