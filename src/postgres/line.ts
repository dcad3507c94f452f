/**
 * One connection to the database that stays open, for what only a connection of one's own can do: hear notifications. When
 * it breaks, or no longer answers, it is opened again, until it is disposed.
 *
 * Knows nothing of what is said on it.
 */
import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Clock, Timer } from '../clock.ts';
import { connectionConfig } from './connection.ts';

/** A question that takes longer means that nobody is there any more. */
const ANSWER_MS = 3_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;

/** Asks on the line; rejects when there is no answer in time, and then the line is lost. */
export type Ask = <Row extends object>(text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export interface LineOptions {
  /** `postgres://…` */
  readonly url: string;
  readonly clock: Clock;
  /** Called on every new connection; the line is open when it resolves, and opened anew when it rejects. */
  readonly onOpen: (ask: Ask) => Promise<void>;
  readonly onNotification: (payload: string) => void;
  /** The line was open and is no longer; or could not be opened again. */
  readonly onLost: (error: unknown) => void;
}

export class Line implements AsyncDisposable {
  readonly #options: LineOptions;
  #client: Client | undefined;
  #socket: Socket | undefined;
  #isOpen = false;
  #localAddress: string | undefined;
  #isDisposed = false;
  #retryMs = FIRST_RETRY_MS;
  #retry: Timer | undefined;
  #opening: Promise<void> = Promise.resolve();

  private constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Rejects when the first connection cannot be opened. */
  static async open(options: LineOptions): Promise<Line> {
    const line = new Line(options);
    await line.#open();
    return line;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The address of this machine on the connection it had last. */
  get localAddress(): string | undefined {
    return this.#localAddress;
  }

  readonly ask: Ask = async <Row extends object>(text: string, values: readonly unknown[]) => {
    const client = this.#client;
    if (client === undefined) throw new Error('there is no connection to the database');
    const timer = this.#options.clock.after(ANSWER_MS, () => this.#lose(client, new Error('the database does not answer')));
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      timer.cancel();
    }
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#retry?.cancel();
    const client = this.#client;
    this.#client = undefined;
    this.#isOpen = false;
    if (client !== undefined) await this.#end(client);
    this.#socket?.destroy();
    await this.#opening;
  }

  async #open(): Promise<void> {
    const { url, onOpen, onNotification } = this.#options;
    const socket = new Socket();
    const client = new Client({ ...connectionConfig(url, 'doorbell'), stream: () => socket });
    // Without a listener an error would end the process.
    client.on('error', (error) => this.#lose(client, error));
    client.on('end', () => this.#lose(client, new Error('the connection has ended')));
    client.on('notification', ({ payload = '' }) => onNotification(payload));
    try {
      await client.connect();
      this.#client = client;
      this.#socket = socket;
      await onOpen(this.ask);
      if (this.#client !== client || this.#isDisposed) throw new Error('the connection has ended');
    } catch (error) {
      this.#client = undefined;
      client.end().catch(() => undefined);
      socket.destroy();
      throw error;
    }
    this.#isOpen = true;
    this.#localAddress = socket.localAddress;
    this.#retryMs = FIRST_RETRY_MS;
  }

  #lose(client: Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => undefined);
    // Nobody is asked to agree to its end.
    this.#socket?.destroy();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#options.onLost(error);
    this.#openLater();
  }

  #openLater(): void {
    if (this.#isDisposed) return;
    this.#retry = this.#options.clock.after(this.#retryMs, () => {
      this.#opening = this.#openAgain();
    });
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
  }

  async #openAgain(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      if (!this.#isDisposed) this.#options.onLost(error);
      this.#openLater();
    }
  }

  /** In order where the database takes part, within a time where it does not. */
  async #end(client: Client): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(ANSWER_MS, late.resolve);
    await Promise.race([client.end().catch(() => undefined), late.promise]);
    timer.cancel();
  }
}
