/**
 * The browsers: connects them, a fixed number at once, keeps them alive, and answers each message. What a message means for
 * the load is the ledger's and the load's business.
 */
import type { Dialect, Page, Place } from '../dialects/dialect.ts';
import { findNumber } from './body.ts';
import { HttpConnection } from './http-connection.ts';
import type { Ledger } from './ledger.ts';
import { WebSocketConnection, type Lent } from './web-socket.ts';

/** Of the connections from one address; each has some 28,000 ports. */
const PER_ADDRESS = 8000;
const KEEP_ALIVE_MS = 15_000;
const SLICE_MS = 100;
const SLICES = KEEP_ALIVE_MS / SLICE_MS;
/** Longer than any message is under way. */
const LEAVING_MS = 5000;
/** Of finding one among several servers, by chance. */
const MOST_TRIES = 1000;

export interface CrowdOptions {
  /** Of each server. */
  readonly ports: readonly number[];
  readonly dialect: Dialect;
  readonly ledger: Ledger;
  /** A first and right arrival. Called before the browser answers; `dueAt` is when its POST should have been sent. */
  readonly onArrival: (dueAt: number) => void;
  /** Any arrival, after the browser has answered. */
  readonly onAnswered: (number: number) => void;
  /** A connection ended that should not have. */
  readonly onFailure: (error: Error) => void;
}

export class Crowd {
  readonly #options: CrowdOptions;
  /** By index, which is never used again; undefined when it has left. */
  readonly #browsers: (Browser | undefined)[] = [];
  readonly #ids: string[] = [];
  /** Indexes of those that messages are sent to. */
  readonly #present: number[] = [];
  #answeredByGone = 0;
  readonly #keepAlive: NodeJS.Timeout;
  /** Given out before the connecting begins: several may be going on. */
  #nextIndex = 0;
  #slice = Math.floor(performance.now() / SLICE_MS);

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#keepAlive = setInterval(() => this.#say(), SLICE_MS);
  }

  get size(): number {
    return this.#present.length;
  }

  /** Of those too that have left. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Answers of browsers written so far, also of those that are gone. */
  get answered(): number {
    return this.#browsers.reduce((sum, browser) => sum + (browser?.answered ?? 0), this.#answeredByGone);
  }

  idOf(index: number): string {
    return this.#ids[index] ?? '';
  }

  /** The index of one of those that are there, at random. @param notAt the server that it must not be connected to */
  pick(notAt?: number): number {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const index = this.#present[Math.floor(Math.random() * this.#present.length)] ?? 0;
      if (notAt === undefined || index % this.#options.ports.length !== notAt) return index;
    }
    throw new Error(`expected a page that is not connected to server ${notAt}`);
  }

  /** One of them is sent nothing from now on, and leaves when what is under way to it will have come. */
  leave(): void {
    const [index] = this.#present.splice(Math.floor(Math.random() * this.#present.length), 1);
    if (index === undefined) return;
    setTimeout(() => {
      this.#answeredByGone += this.#browsers[index]?.answered ?? 0;
      this.#browsers[index]?.close();
      this.#browsers[index] = undefined;
      this.#end(this.idOf(index)).catch(this.#options.onFailure);
    }, LEAVING_MS);
  }

  /** Resolves when this many more are connected and ready. */
  async connect(count: number, atOnce: number): Promise<void> {
    let left = count;
    const { ports, onFailure } = this.#options;
    const lane = async (_: unknown, number: number): Promise<void> => {
      // Each page's requests come over a connection that is there already, as behind a proxy; of several servers to any.
      const http = new HttpConnection(portOf(ports, number), onFailure);
      while (left-- > 0) await this.#open(this.#nextIndex++, http);
      http.close();
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
  }

  close(): void {
    clearInterval(this.#keepAlive);
    for (const browser of this.#browsers) browser?.close();
  }

  async #open(index: number, http: HttpConnection): Promise<void> {
    const place = await this.#options.dialect.open(index, http);
    this.#ids[index] = place.id;
    await new Promise<void>((resolve) => {
      this.#browsers[index] = new Browser({ index, place, crowd: this.#options, onReady: resolve });
    });
    this.#present.push(index);
  }

  async #end(id: string): Promise<void> {
    const { dialect, ports, onFailure } = this.#options;
    const http = new HttpConnection(portOf(ports, 0), onFailure);
    await dialect.end?.(id, http);
    http.close();
  }

  /** Everybody once in 15 s, spread evenly; what a busy time left out is made up for. */
  #say(): void {
    const { keepAlive } = this.#options.dialect;
    if (keepAlive === undefined) return;
    const due = Math.floor(performance.now() / SLICE_MS);
    for (this.#slice = Math.max(this.#slice, due - SLICES); this.#slice < due; this.#slice++) {
      for (let index = this.#slice % SLICES; index < this.#browsers.length; index += SLICES)
        this.#browsers[index]?.say(keepAlive);
    }
  }
}

/** The server of the page with this index, or of the connection with this number. */
export function portOf(ports: readonly number[], index: number): number {
  return ports[index % ports.length] ?? 0;
}

interface BrowserOptions {
  readonly index: number;
  readonly place: Place;
  readonly crowd: CrowdOptions;
  readonly onReady: () => void;
}

class Browser implements Page {
  readonly #index: number;
  readonly #crowd: CrowdOptions;
  readonly #socket: WebSocketConnection;
  #onReady: (() => void) | undefined;
  #sequence = 0;
  #answered = 0;

  constructor({ index, place, crowd, onReady }: BrowserOptions) {
    this.#index = index;
    this.#crowd = crowd;
    this.#onReady = onReady;
    this.#socket = new WebSocketConnection({
      port: portOf(crowd.ports, index),
      path: place.path,
      localAddress: `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`,
      onOpen: () => crowd.dialect.greet(this),
      onFrame: (payload) => crowd.dialect.read(this, payload),
      onGone: crowd.onFailure,
    });
  }

  get answered(): number {
    return this.#answered;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Says something if it is connected. */
  say(bytes: Buffer): void {
    if (this.#onReady === undefined) this.write(bytes);
  }

  ready(): void {
    this.#onReady?.();
    this.#onReady = undefined;
  }

  take({ bytes, start, end }: Lent, sequence: number): void {
    const { ledger, dialect, onArrival, onAnswered } = this.#crowd;
    const number = findNumber(bytes, start, end);
    const dueAt = ledger.arrive(number, this.#index);
    if (dueAt !== undefined) onArrival(dueAt);
    if (sequence !== 0 && sequence !== this.#sequence + 1) ledger.disorder();
    this.#sequence = sequence === 0 ? this.#sequence + 1 : sequence;
    this.#answered++;
    this.write(dialect.ack(this.#sequence));
    onAnswered(number);
  }

  close(): void {
    this.#socket.close();
  }
}
