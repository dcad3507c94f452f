/**
 * One connection: its identity, its queues in both directions, and which transport carries it. Knows nothing of HTTP or
 * sockets; a transport takes its output and reports what becomes of it.
 */
import type { TransferFormat } from '../protocol/hub-protocol.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { Application, Connection, ConnectRequest } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { EndpointSettings } from './endpoint-options.ts';
import { unpackRequest } from './kept-request.ts';
import type { Chunk, Transport } from './transport.ts';

export interface ConnectOptions<P> {
  readonly transport: Transport;
  readonly principal: P;
  /** See `packRequest`. */
  readonly request: string;
}

/** What all connections of an endpoint share. */
export interface Surroundings<P> {
  readonly settings: EndpointSettings<P>;
  readonly table: ConnectionTable<HttpConnection<P>>;
  /** No new connection from now on. */
  isDraining: boolean;
}

export interface HttpConnectionOptions<P> {
  readonly id: string;
  readonly token: string;
  readonly principal: P;
}

export class HttpConnection<P> implements Connection<P> {
  readonly id: string;
  transferFormat: TransferFormat = 'Text';
  readonly #token: string;
  readonly #surroundings: Surroundings<P>;
  /** Until a transport has come. */
  #createdAt: number | undefined;
  #principal: P;
  #request: string | undefined;
  #state: 'open' | 'closing' | 'gone' = 'open';
  #transport: Transport | undefined;
  #application: Application | undefined;
  /** Absent, like `#input`, while empty: an idle connection holds no array. */
  #output: Chunk[] | undefined;
  #outputBytes = 0;
  #isFlushing = false;
  #isBlocked = false;
  #input: Buffer[] | undefined;
  #inputBytes = 0;
  #isPaused = false;
  #onAccepted: (() => void) | undefined;
  /** POSTs being taken in, in the order of their arrival. Owned by `receivePost`. */
  posts: { waiting: number; last: Promise<void> } | undefined;

  constructor(surroundings: Surroundings<P>, { id, token, principal }: HttpConnectionOptions<P>) {
    this.id = id;
    this.#token = token;
    this.#surroundings = surroundings;
    this.#principal = principal;
    this.#createdAt = surroundings.settings.clock.now();
    surroundings.table.add(token, this);
  }

  get transport(): TransportName | undefined {
    return this.#transport?.name;
  }

  get carrier(): Transport | undefined {
    return this.#transport;
  }

  get settings(): EndpointSettings<P> {
    return this.#surroundings.settings;
  }

  get principal(): P {
    return this.#principal;
  }

  get request(): ConnectRequest | undefined {
    return this.#request === undefined ? undefined : unpackRequest(this.#request);
  }

  get isClosed(): boolean {
    return this.#state !== 'open';
  }

  /** A client that polls must learn of the end by a poll; on a socket it does by the socket, and the token is dead. */
  get isReachable(): boolean {
    return this.#state === 'open' || (this.#state === 'closing' && this.transport === 'LongPolling');
  }

  get isWritable(): boolean {
    return this.#state === 'open' && !this.#isBlocked;
  }

  get hasOutput(): boolean {
    return this.#output !== undefined;
  }

  connect({ transport, principal, request }: ConnectOptions<P>): void {
    this.#createdAt = undefined;
    this.#transport = transport;
    this.#principal = principal;
    this.#request = request;
    this.#guard(() => {
      this.#application = this.#surroundings.settings.handler.open(this, transport.name);
    });
    this.#deliver();
  }

  send(data: Chunk): void {
    if (this.#state !== 'open' || data.length === 0) return;
    const { outputLimitBytes, outputHighWaterBytes } = this.#surroundings.settings;
    this.#outputBytes += typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    const buffered = this.#outputBytes + (this.#transport?.bufferedBytes ?? 0);
    if (buffered > outputLimitBytes) {
      this.abort(new Error(`the client reads too slowly: more than ${outputLimitBytes} bytes of output wait`));
      return;
    }
    if (buffered >= outputHighWaterBytes) this.#isBlocked = true;
    if (this.#output === undefined) this.#output = [data];
    else this.#output.push(data);
    this.#scheduleFlush();
  }

  /** Everything queued, now the transport's. */
  takeOutput(): { readonly chunks: readonly Chunk[]; readonly bytes: number } {
    const taken = { chunks: this.#output ?? [], bytes: this.#outputBytes };
    this.#output = undefined;
    this.#outputBytes = 0;
    return taken;
  }

  /** Puts back in front what the transport had taken but could not deliver. */
  restoreOutput(chunk: Uint8Array): void {
    this.#output = [chunk, ...(this.#output ?? [])];
    this.#outputBytes += chunk.byteLength;
  }

  /** The transport has delivered what it took. */
  outputMoved(): void {
    const buffered = this.#outputBytes + (this.#transport?.bufferedBytes ?? 0);
    if (!this.#isBlocked || buffered >= this.#surroundings.settings.outputHighWaterBytes) return;
    this.#isBlocked = false;
    if (this.#state === 'open') this.#guard(() => this.#application?.writable());
  }

  /** Bytes of the peer; they wait while nothing runs on the connection yet or the application has paused. */
  receive(chunk: Buffer): void {
    if (this.#state !== 'open' || chunk.length === 0) return;
    this.#inputBytes += chunk.length;
    if (this.#input === undefined) this.#input = [chunk];
    else this.#input.push(chunk);
    this.#deliver();
  }

  /** Resolves when the input queue has room. */
  async accepted(): Promise<void> {
    while (this.#state === 'open' && this.#inputBytes > this.#surroundings.settings.inputHighWaterBytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onAccepted = resolve;
      await promise;
    }
  }

  pause(): void {
    if (this.#state !== 'open') return;
    this.#isPaused = true;
    this.#transport?.pauseInput();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#deliver();
    if (!this.#isPaused) this.#transport?.resumeInput();
  }

  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#dropInput();
    if (this.#transport === undefined) this.finish(undefined);
    else this.#scheduleFlush();
  }

  abort(error: Error | undefined): void {
    if (error !== undefined && this.#state !== 'gone') {
      const { logger } = this.#surroundings.settings;
      logger.info(
        { event: 'signalr.connection.dropped', connectionId: this.id, reason: error.message },
        'a connection was dropped',
      );
    }
    this.#transport?.destroy();
    this.finish(error);
  }

  shutdown(): void {
    if (this.#state !== 'open') return;
    if (this.#application === undefined) this.close();
    else this.#guard(() => this.#application?.shutdown());
  }

  heartbeat(now: number): void {
    const { disconnectTimeoutMs } = this.#surroundings.settings;
    if (this.#createdAt !== undefined && now - this.#createdAt >= disconnectTimeoutMs) this.finish(undefined);
    this.#transport?.heartbeat(now);
    if (this.#state === 'open') this.#guard(() => this.#application?.heartbeat(now));
  }

  /** Tells the application that its pipe has ended, though the client may yet have to hear of it. */
  endApplication(error: Error | undefined): void {
    if (this.#state === 'open') this.#state = 'closing';
    const application = this.#application;
    this.#application = undefined;
    this.#dropInput();
    try {
      application?.ended(error);
    } catch (failure) {
      this.#logFailure(failure);
    }
  }

  /** The transport is gone, and with it the connection. */
  finish(error: Error | undefined): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#output = undefined;
    this.#outputBytes = 0;
    this.#surroundings.table.remove(this.#token);
    this.endApplication(error);
  }

  #scheduleFlush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // Behind all that is sent in this turn and in its microtasks: one write for all of it.
    process.nextTick(flush, this);
  }

  /** What the scheduled turn runs. */
  flushNow(): void {
    this.#isFlushing = false;
    if (this.#state !== 'gone') this.#transport?.flush();
  }

  #deliver(): void {
    const application = this.#application;
    if (application === undefined) return;
    while (this.#input !== undefined && !this.#isPaused && this.#state === 'open') {
      const chunks = this.#input;
      const chunk = chunks.shift();
      if (chunks.length === 0) this.#input = undefined;
      if (chunk === undefined) break;
      this.#inputBytes -= chunk.length;
      this.#guard(() => application.receive(chunk));
    }
    this.#wakeSenders();
  }

  /** Nothing more will be read, but the transport must go on hearing how the peer closes. */
  #dropInput(): void {
    this.#input = undefined;
    this.#inputBytes = 0;
    if (this.#isPaused) this.#transport?.resumeInput();
    this.#isPaused = false;
    this.#wakeSenders();
  }

  #wakeSenders(): void {
    const wake = this.#onAccepted;
    this.#onAccepted = undefined;
    wake?.();
  }

  /** An application that throws loses its connection, nobody else's. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (failure) {
      this.#logFailure(failure);
      this.abort(new Error('the application of the connection failed', { cause: failure }));
    }
  }

  #logFailure(err: unknown): void {
    const { logger } = this.#surroundings.settings;
    logger.error({ event: 'signalr.application.failed', connectionId: this.id, err }, 'the application of a connection failed');
  }
}

function flush(connection: { flushNow(): void }): void {
  connection.flushNow();
}
