/**
 * This node among those that share a database: its lease, and what the others need to know of it; who else is there, and who
 * is dead.
 *
 * One connection, the line, carries all of that: on it the lease is renewed, others say something to this node, and a line that
 * no longer answers is noticed and opened anew. Knows nothing of what is said.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { DatabaseClock } from './database-clock.ts';
import { Line, type Ask } from './line.ts';
import type { Pool } from './pool.ts';

/** A node that has not renewed its lease for so long is dead to the others. */
export const LEASE_MS = 12_000;
export const BEAT_MS = 4_000;
/** How much longer what it has left stays: two chances more for a node that was kept from renewing while others were not. */
export const GRACE_MS = 2 * BEAT_MS;
/** Of each kind of row in one commit. */
const SWEEP_SLICE = 2_000;
/** What a node says to itself, to know that it hears; and to the others, when it comes. */
const ECHO = '';
const ARRIVAL = '+';
/** Longer names of channels are cut off. */
const LONGEST_NODE_BYTES = 50;
const KEY_BYTES = 32;

/** Also of one whose lease is over: after an outage of the database all are, until each has renewed its own. */
const ADDRESS_OF = {
  name: 'address_of',
  isRead: true,
  text: `SELECT address FROM ringback.nodes WHERE node = $1 AND lease_until > '-infinity'`,
};
const SWEEP = { name: 'sweep_node', text: 'SELECT ringback.sweep_node($1, $2, $3) AS done' };
const RENEW = 'SELECT * FROM ringback.renew($1, $2, $3, $4)';
const LEAVE = `UPDATE ringback.nodes SET lease_until = '-infinity' WHERE node = $1`;
/** Whoever comes first makes it. */
const MAKE_KEY = `INSERT INTO ringback.secrets (name, value) VALUES ('nodes', $1) ON CONFLICT DO NOTHING`;
const READ_KEY = `SELECT value FROM ringback.secrets WHERE name = 'nodes'`;

export interface NodesObserver {
  /** Somebody said something to this node. */
  heard?(text: string): void;
  /**
   * This node hears again, or its readers are no longer registered: they are to be registered again, and what was said meanwhile
   * is lost.
   */
  deafened?(): void;
  /** Others may have taken this node for dead and removed what it had written of its connections. */
  lapsed?(): void;
}

export interface NodesOptions {
  /** `postgres://…`, for the line. */
  readonly url: string;
  readonly pool: Pick<Pool, 'query'>;
  /** A name of its own for each start; at most 50 bytes. */
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Renewal {
  readonly now_ms: number;
  readonly lapsed: boolean;
  readonly registered: boolean;
  readonly others: number;
  readonly dead: readonly string[];
}

export class Nodes implements AsyncDisposable {
  readonly node: string;
  /** Of the database, which all nodes go by. */
  readonly time: DatabaseClock;
  readonly #options: NodesOptions;
  readonly #observers = new Set<NodesObserver>();
  #address: string | undefined;
  #key: Uint8Array | undefined;
  #line: Line | undefined;
  #beat: Timer | undefined;
  #others = 0;
  #hears = false;
  #isDisposed = false;
  #sweep: Promise<void> | undefined;

  private constructor(options: NodesOptions) {
    if (Buffer.byteLength(options.node) > LONGEST_NODE_BYTES) {
      throw new TypeError(`expected the name of a node of at most ${LONGEST_NODE_BYTES} bytes, got ${options.node}`);
    }
    this.#options = options;
    this.node = options.node;
    this.time = new DatabaseClock(options.clock);
  }

  /** Joins the others. Rejects when the database cannot be reached. */
  static async open(options: NodesOptions): Promise<Nodes> {
    const nodes = new Nodes(options);
    nodes.#line = await Line.open({
      url: options.url,
      clock: options.clock,
      onOpen: (ask) => nodes.#greet(ask),
      onNotification: (payload) => nodes.#hear(payload),
      onLost: (error) => nodes.#options.logger.warn({ event: 'node.line_lost', error: String(error) }),
    });
    nodes.#armBeat();
    return nodes;
  }

  /** Whether the database has this node among the living, as far as this one knows. */
  get isHere(): boolean {
    return this.#line?.isOpen === true;
  }

  /** 32 secret bytes, the same at every node, and known to nobody else. */
  get key(): Uint8Array {
    if (this.#key === undefined) throw new TypeError('a node has the key when it has joined');
    return this.#key;
  }

  /** An address of this machine that others can reach, as far as the database can tell. */
  get localHost(): string {
    return this.#line?.localAddress ?? '127.0.0.1';
  }

  /** False only if there was no other node a moment ago. */
  get hasOthers(): boolean {
    return this.#others > 0;
  }

  /** Calls the observer until the returned function is called. */
  observe(observer: NodesObserver): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Says to all where this node can be reached. When the database cannot be reached now, they learn of it later. */
  async announce(address: string): Promise<void> {
    this.#address = address;
    await this.#tryToRenew();
  }

  /**
   * Where a node can be reached; undefined: it is unknown, has left, or is reached nowhere. One that has died may be told until
   * it is swept. Rejects as the pool does.
   */
  async addressOf(node: string): Promise<string | undefined> {
    const [row] = await this.#options.pool.query<{ readonly address: string | null }>(ADDRESS_OF, [node]);
    return row?.address ?? undefined;
  }

  /** The others take over from now on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#beat?.cancel();
    await this.#sweep;
    await this.#line?.ask(LEAVE, [this.node]).catch(() => undefined);
    await this.#line?.[Symbol.asyncDispose]();
  }

  /** On each new line, before it counts. */
  async #greet(ask: Ask): Promise<void> {
    await this.#agreeOnKey(ask);
    // A lease that a crash of the database takes back is renewed in a moment: no beat has to wait for its disk.
    await ask('SET synchronous_commit = off', []);
    await ask(`LISTEN "${channelOf(this.node)}"`, []);
    this.#hears = false;
    await ask('SELECT pg_notify($1, $2)', [channelOf(this.node), ECHO]);
    await this.#renew(ask, { isNew: true });
  }

  /** Also later: a replica that takes over may not have had it. */
  async #agreeOnKey(ask: Ask): Promise<void> {
    await ask(MAKE_KEY, [this.#key ?? randomBytes(KEY_BYTES)]);
    const stored = (await ask<{ readonly value: Uint8Array }>(READ_KEY, []))[0]?.value;
    this.#key ??= stored;
    if (stored === undefined || this.#key === undefined || Buffer.compare(stored, this.#key) === 0) return;
    this.#options.logger.error(
      { event: 'node.other_key' },
      'the database has another key of the nodes than this one: nodes with different keys do not answer each other until all have been started anew',
    );
  }

  async #renew(ask: Ask, { isNew = false } = {}): Promise<void> {
    const [renewal] = await ask<Renewal>(RENEW, [this.node, this.#address ?? null, LEASE_MS, GRACE_MS]);
    if (renewal === undefined) throw new Error('the lease was not renewed');
    this.time.compare(renewal.now_ms);
    this.#others = renewal.others;
    if (isNew || !renewal.registered) this.#tell((observer) => observer.deafened?.());
    if (renewal.lapsed) this.#tell((observer) => observer.lapsed?.());
    if (renewal.dead.length > 0) this.#sweep ??= this.#sweepAll(renewal.dead);
  }

  #armBeat(): void {
    if (this.#isDisposed) return;
    this.#beat = this.#options.clock.after(BEAT_MS, () => void this.#onBeat());
  }

  async #onBeat(): Promise<void> {
    if (this.isHere && !this.#hears) this.#warnOfDeafness();
    await this.#tryToRenew();
    this.#armBeat();
  }

  async #tryToRenew(): Promise<void> {
    try {
      // A line that is being opened renews by itself.
      if (this.#line?.isOpen === true) await this.#renew(this.#line.ask);
    } catch (error) {
      this.#options.logger.warn({ event: 'node.not_renewed', error: String(error) });
    }
  }

  #warnOfDeafness(): void {
    this.#options.logger.warn(
      { event: 'node.deaf' },
      'notifications of the database do not arrive; is there a pooler between, which shares connections?',
    );
  }

  #hear(payload: string): void {
    if (payload === ECHO) this.#hears = true;
    else if (payload === ARRIVAL) this.#others = Math.max(1, this.#others);
    else this.#tell((observer) => observer.heard?.(payload));
  }

  #tell(what: (observer: NodesObserver) => void): void {
    for (const observer of this.#observers) what(observer);
  }

  /** In slices, each a commit of its own; whatever stays is for the next beat, of whichever node. */
  async #sweepAll(dead: readonly string[]): Promise<void> {
    const { logger } = this.#options;
    try {
      for (const node of dead) {
        if (await this.#sweepNode(node)) logger.info({ event: 'node.swept', dead: node });
      }
    } catch (error) {
      logger.warn({ event: 'node.not_swept', error: String(error) });
    } finally {
      this.#sweep = undefined;
    }
  }

  /** Whether all of it is gone; this node may leave before, and the others are there for what is left. */
  async #sweepNode(node: string): Promise<boolean> {
    while (!this.#isDisposed) {
      const [row] = await this.#options.pool.query<{ readonly done: boolean }>(SWEEP, [node, GRACE_MS, SWEEP_SLICE]);
      if (row?.done !== false) return true;
    }
    return false;
  }
}

/** @see ringback.ring_nodes, which says it in SQL */
function channelOf(node: string): string {
  return `ringback_${node}`;
}
