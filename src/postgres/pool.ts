/**
 * The connections that an instance shares for its statements. Each statement has an end; when the server was away, no
 * connection of before is used again. Knows nothing of what is asked.
 */
import { Socket } from 'node:net';
import { Pool as Clients } from 'pg';
import type { PoolClient } from 'pg';
import type { Logger } from '../logger.ts';
import { connectionConfig, ANSWER_MS } from './connection.ts';
import { faultOf, isCrowded } from './faults.ts';
import { Turns } from './turns.ts';

/** PostgreSQL's own default takes a hundred of all instances together. */
const MOST_CONNECTIONS = 10;
const IDLE_MS = 30_000;
/** More than an answer is waited for: when the server falls silent, its silence is noticed before those who wait lose patience. */
const WAIT_MS = 6_000;

export interface PoolOptions {
  /** `postgres://…` */
  readonly url: string;
  readonly logger: Logger;
  /** Connections at once. Default: 10. */
  readonly size?: number;
  /** How long an answer is waited for. Default: 5 s. */
  readonly answerMs?: number;
  /** How long a statement waits for a connection that is free. Default: 6 s. */
  readonly waitMs?: number;
}

export interface Statement {
  /** One text has one name; it is prepared once on each connection. */
  readonly name: string;
  readonly text: string;
  /** It changes nothing. However many of these there are, some connections are left for the others. Default: false. */
  readonly isRead?: boolean;
}

/** Connections that were made since the server was last away. */
interface Generation {
  readonly clients: Clients;
  readonly sockets: Set<Socket>;
  /** Never more than there may be connections, so that the queue of `clients` is empty. */
  readonly turns: Turns;
  /** Connections that were made, and are not given up. */
  connected: number;
  /** Tells those who wait for a connection that none will come. */
  readonly waiting: Set<(error: Error) => void>;
}

export class Pool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #retiring = new Set<Promise<void>>();
  #generation: Generation;
  #awaySince: number | undefined;
  #lastAnswerAt = -Infinity;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#generation = this.#begin();
  }

  /**
   * Since when nobody has got through to a server that can write, by `performance.now()`. Undefined: the last statement did, or
   * nothing says otherwise.
   */
  get awaySince(): number | undefined {
    return this.#awaySince;
  }

  /** Runs one statement, which is its own transaction, and answers its rows. What rejects: see `faults.ts`. */
  async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    if (this.#isClosed) throw new Error('the pool is closed');
    const generation = this.#generation;
    const endTurn = await generation.turns.take(statement.isRead === true);
    try {
      return await this.#ask<Row>(generation, statement, values);
    } finally {
      endTurn();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#retire(this.#generation);
    await Promise.all(this.#retiring);
  }

  async #ask<Row extends object>(
    generation: Generation,
    { name, text }: Statement,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    const begin = performance.now();
    let client: PoolClient | undefined;
    try {
      client = await connect(generation);
      const { rows } = await client.query<Row>({ name, text, values: [...values] });
      client.release();
      this.#awaySince = undefined;
      this.#lastAnswerAt = performance.now();
      return rows;
    } catch (error) {
      const isLost = faultOf(error) === 'away';
      client?.release(isLost);
      // That there is no room for one more says nothing of those that there are.
      const isAway = isLost && !(isCrowded(error) && generation.connected > 0);
      if (isAway) this.#left(generation, { error, since: Math.max(begin, this.#lastAnswerAt) });
      throw error;
    }
  }

  #begin(): Generation {
    const { url, logger, size = MOST_CONNECTIONS, answerMs, waitMs = WAIT_MS } = this.#options;
    const sockets = new Set<Socket>();
    const stream = (): Socket => {
      const socket = new Socket();
      sockets.add(socket);
      return socket.once('close', () => sockets.delete(socket));
    };
    const config = {
      ...connectionConfig(url, 'store', answerMs),
      stream,
      max: size,
      idleTimeoutMillis: IDLE_MS,
      allowExitOnIdle: true,
      verify: refuseReplica,
    };
    const clients = new Clients(config);
    const turns = new Turns({ size, waitMs });
    const generation: Generation = { clients, sockets, turns, connected: 0, waiting: new Set() };
    clients.on('connect', () => (generation.connected += 1));
    clients.on('remove', () => (generation.connected -= 1));
    // One in use tells its statement; without a listener it would end the process, too.
    clients.on('connect', (client) => client.on('error', () => undefined));
    // One that waits for nothing was cut off: those beside it may be dead without knowing.
    clients.on('error', (error) => {
      logger.warn({ event: 'postgres.connection_lost', error: error.message });
      this.#renew(generation);
    });
    return generation;
  }

  #left(generation: Generation, { error, since }: { readonly error: unknown; readonly since: number }): void {
    // Whoever comes late says nothing of those that are used now.
    if (generation !== this.#generation || this.#isClosed) return;
    if (this.#awaySince === undefined) this.#options.logger.warn({ event: 'postgres.away', error: String(error) });
    this.#awaySince ??= since;
    this.#renew(generation);
  }

  #renew(generation: Generation): void {
    if (generation !== this.#generation || this.#isClosed) return;
    this.#generation = this.#begin();
    this.#retire(generation);
  }

  /** Those in use have until the end of their statement; a goodbye to a server that is not there would take for ever. */
  #retire({ clients, sockets, turns, waiting }: Generation): void {
    const error = new Error('the connections were given up');
    turns.giveUp(error);
    for (const reject of waiting) reject(error);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cut = (): void => {
      for (const socket of sockets) socket.destroy();
      resolve();
    };
    const timer = setTimeout(cut, this.#options.answerMs ?? ANSWER_MS).unref();
    const retired = Promise.race([clients.end(), promise]).then(() => {
      clearTimeout(timer);
      cut();
      this.#retiring.delete(retired);
    });
    this.#retiring.add(retired);
  }
}

/** Those who wait when the connections are given up would else wait for a time-out. */
async function connect({ clients, waiting }: Generation): Promise<PoolClient> {
  const { promise, reject } = Promise.withResolvers<never>();
  waiting.add(reject);
  const connecting = clients.connect();
  try {
    return await Promise.race([connecting, promise]);
  } catch (error) {
    // One that comes too late is of no use to anybody.
    connecting.then(
      (client) => client.release(true),
      () => undefined,
    );
    throw error;
  } finally {
    waiting.delete(reject);
  }
}

/** What a replica shows may be old: it is as good as nobody, until it is promoted. */
function refuseReplica(client: PoolClient, done: (error?: Error) => void): void {
  const text = 'SELECT pg_is_in_recovery() AS "isReplica"';
  client.query<{ readonly isReplica: boolean }>(text, (error: Error | null, result) => {
    if (error !== null) return done(error);
    if (result.rows[0]?.isReplica === true) return done(new Error('the server is a replica, which cannot be written to'));
    return done();
  });
}
