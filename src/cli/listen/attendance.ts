/**
 * One connection to the hub, from its start to its end: prints what comes, in order, and acks behind it.
 */
import { HubConnectionBuilder, HubConnectionState, LogLevel } from '@microsoft/signalr';
import type { HubConnection } from '@microsoft/signalr';
import { readCaughtUp, readClosed, readMessage } from './message.ts';
import type { Message } from './message.ts';
import type { Progress } from './progress.ts';

export type AttendanceEnd =
  /** The connection is gone; another one may go on. */
  | { readonly outcome: 'lost'; readonly reason: string }
  /** The server said that there is no more; `reason` as in `closed`. */
  | { readonly outcome: 'closed'; readonly reason: string }
  /** The message that was waited for is printed and acked. */
  | { readonly outcome: 'found' }
  | { readonly outcome: 'failed'; readonly reason: string };

export interface AttendanceOptions {
  /** Of the hub, without a query. */
  readonly hubUrl: string;
  readonly token: string;
  readonly progress: Progress;
  /** End after a message of this type. */
  readonly once: string | undefined;
  readonly print: (message: Message) => Promise<void>;
  readonly talk: (text: string) => void;
  /** Ends the attendance as `lost`. */
  readonly signal: AbortSignal;
}

/** How long what was printed may take to be acked after an interrupt. */
const LAST_ACK_MS = 1000;

export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #connection: HubConnection;
  readonly #end = Promise.withResolvers<AttendanceEnd>();
  /** What is being done about what has come, in its order. */
  #work: Promise<void> = Promise.resolve();
  #isOver = false;
  #acked = 0;
  #acking: Promise<void> | undefined;

  constructor(options: AttendanceOptions) {
    this.#options = options;
    const { hubUrl, token, progress } = options;
    const query = progress.position === undefined ? '' : `?after=${progress.position}`;
    this.#connection = new HubConnectionBuilder()
      .withUrl(`${hubUrl}${query}`, { accessTokenFactory: () => token })
      .configureLogging(LogLevel.None)
      .build();
    this.#connection.on('message', (value: unknown) => this.#then(() => this.#onMessage(value)));
    this.#connection.on('caughtUp', (value: unknown) => this.#then(() => this.#onCaughtUp(value)));
    this.#connection.on('closed', (value: unknown) => this.#then(() => this.#onClosed(value)));
    // Behind the queue: what came before the end is still printed.
    this.#connection.onclose((error) => this.#then(() => this.#finish({ outcome: 'lost', reason: textOf(error) })));
  }

  /**
   * @param onAttached called once the hub has let us in
   * @throws what the official client throws when there is no connection
   */
  async run(onAttached: () => void): Promise<AttendanceEnd> {
    const { signal } = this.#options;
    const interrupt = (): void => this.#finish({ outcome: 'lost', reason: 'interrupted' });
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      await Promise.race([this.#connection.start(), this.#end.promise]);
      if (!signal.aborted) onAttached();
      return await this.#end.promise;
    } finally {
      signal.removeEventListener('abort', interrupt);
      await this.#leave();
    }
  }

  async #leave(): Promise<void> {
    this.#isOver = true;
    await this.#work;
    if (this.#acking) await Promise.race([this.#acking, timeout(LAST_ACK_MS)]);
    await this.#connection.stop().catch(() => undefined);
  }

  #then(step: () => Promise<void> | void): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#isOver) await step();
      })
      .catch((error: unknown) => this.#finish({ outcome: 'failed', reason: textOf(error) }));
  }

  #finish(end: AttendanceEnd): void {
    this.#isOver = true;
    this.#end.resolve(end);
  }

  async #onMessage(value: unknown): Promise<void> {
    const { progress, print, once } = this.#options;
    const message = readMessage(value);
    if (message === undefined) return this.#finish({ outcome: 'failed', reason: 'the server sent something that is no message' });
    if (progress.hasFound || !progress.isNew(message)) return;
    await print(message);
    progress.notePrinted(message);
    this.#acknowledge();
    if (message.type !== once) return;
    progress.hasFound = true;
    await this.#onFound();
  }

  async #onCaughtUp(value: unknown): Promise<void> {
    const { progress, talk } = this.#options;
    const caughtUp = readCaughtUp(value);
    if (caughtUp === undefined) return;
    if (caughtUp.isReset) talk('the server has an older state than before; its messages were read from the first one');
    progress.noteCaughtUp(caughtUp);
    // An ack may have been lost with the connection before.
    this.#acknowledge();
    if (progress.hasFound) await this.#onFound();
  }

  async #onClosed(value: unknown): Promise<void> {
    const reason = readClosed(value) ?? 'unknown';
    if (!takesAcks(reason)) return this.#finish({ outcome: 'closed', reason });
    this.#acknowledge();
    await this.#acking;
    // Else the connection is gone, and the next one repeats the ack.
    if (this.#hasAckedAll()) this.#finish({ outcome: 'closed', reason });
  }

  async #onFound(): Promise<void> {
    await this.#acking;
    if (this.#hasAckedAll()) this.#finish({ outcome: 'found' });
  }

  #hasAckedAll(): boolean {
    return this.#acked >= this.#options.progress.printed;
  }

  /** Acks are cumulative, so that one at a time is enough, however fast messages come. */
  #acknowledge(): void {
    this.#acking ??= this.#acknowledgeAll().finally(() => {
      this.#acking = undefined;
    });
  }

  async #acknowledgeAll(): Promise<void> {
    while (!this.#hasAckedAll()) {
      const sequence = this.#options.progress.printed;
      try {
        await this.#connection.invoke('ack', sequence);
      } catch (error) {
        // Lost with its connection: the next one repeats it.
        if (!isConnected(this.#connection)) return;
        this.#options.talk(`the ack of ${sequence} was refused: ${textOf(error)}`);
      }
      this.#acked = sequence;
    }
  }
}

/** After the other reasons the server takes nothing more from us. */
export function takesAcks(reason: string): boolean {
  return reason === 'settled' || reason === 'expired';
}

function isConnected(connection: HubConnection): boolean {
  return connection.state === HubConnectionState.Connected;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the connection was closed';
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
