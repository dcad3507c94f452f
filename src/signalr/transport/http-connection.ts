/**
 * One connection: its identity, its queues in both directions, and which transport carries it. Knows nothing of HTTP or
 * sockets; a transport takes its output and reports what becomes of it.
 */
import { ChunkQueue } from '../protocol/chunk-queue.ts';
import type { Chunk } from '../protocol/chunks.ts';
import type { TransferFormat } from '../protocol/hub-protocol.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { Application, Connection, ConnectRequest, Resumer } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { EndpointSettings } from './endpoint-options.ts';
import { unpackRequest } from './request.ts';
import type { Arrival, Identity, Transport } from './transport.ts';

/** What all connections of an endpoint share. */
export interface Surroundings<P> {
  readonly settings: EndpointSettings<P>;
  readonly table: ConnectionTable<HttpConnection<P>>;
  /** No new connection from now on. */
  isDraining: boolean;
}

export class HttpConnection<P> implements Connection<P> {
  readonly id: string;
  transferFormat: TransferFormat = 'Text';
  readonly #token: string;
  readonly #surroundings: Surroundings<P>;
  /** While there is no transport. */
  #aloneSince: number | undefined;
  readonly #mayResume: boolean;
  #resumer: Resumer | undefined;
  principal: P;
  /** Of the principal. */
  #expiresAt: number | undefined;
  #request: string | undefined;
  #state: 'open' | 'closing' | 'gone' = 'open';
  carrier: Transport | undefined;
  #application: Application | undefined;
  /** Absent, like `#input`, while empty: an idle connection holds no queue. */
  #output: ChunkQueue<Chunk> | undefined;
  #isFlushing = false;
  #isBlocked = false;
  #input: ChunkQueue<Buffer> | undefined;
  #isPaused = false;
  /** POSTs being taken in, in the order of their arrival; `wake` when input has gone. Owned by `receivePost`. */
  posts: { waiting: number; last: Promise<void>; wake?: () => void } | undefined;

  constructor(surroundings: Surroundings<P>, { id, token, principal, mayResume = false }: Identity<P>) {
    this.id = id;
    this.#token = token;
    this.#surroundings = surroundings;
    this.principal = principal;
    this.#aloneSince = surroundings.settings.clock.now();
    this.#mayResume = mayResume;
    surroundings.table.add(token, this);
  }

  /** Only a WebSocket leaves its connection behind. */
  get transport(): TransportName | undefined {
    return this.carrier?.name ?? (this.isSuspended ? 'WebSockets' : undefined);
  }

  get settings(): EndpointSettings<P> {
    return this.#surroundings.settings;
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

  /** It has lost its transport, and its client may come back. */
  get isSuspended(): boolean {
    return this.carrier === undefined && this.#application !== undefined;
  }

  /** A new WebSocket takes the place of the one there is, or was. */
  get isResumable(): boolean {
    return this.#state === 'open' && this.#resumer !== undefined;
  }

  get isWritable(): boolean {
    return this.#state === 'open' && !this.#isBlocked && this.carrier !== undefined;
  }

  get hasOutput(): boolean {
    return this.#output !== undefined;
  }

  makeResumable(resumer: Resumer): boolean {
    if (this.#mayResume && this.transport === 'WebSockets') this.#resumer = resumer;
    return this.isResumable;
  }

  /** The first transport, or one with which the client comes back. */
  connect({ transport, request, ...shown }: Arrival<P>): void {
    this.#aloneSince = undefined;
    this.carrier = transport;
    this.renew(shown);
    this.#request ??= request;
    if (this.#application === undefined) {
      this.#guard(() => void (this.#application = this.settings.handler.open(this, transport.name)));
      this.#deliver();
    } else {
      // Of the older transport: the application has kept what is worth it, and the client repeats itself.
      this.#output = this.#input = undefined;
      this.#isBlocked = false;
      if (this.#isPaused) transport.pauseInput();
      this.#log('resumed');
      this.#guard(() => this.#resumer?.resumed());
    }
  }

  /** Who it is, shown again. A credential that ends earlier takes nothing back. */
  renew({ principal, expiresAt }: Omit<Arrival<P>, 'transport' | 'request'>): void {
    if ((expiresAt ?? Infinity) >= (this.#expiresAt ?? 0)) [this.principal, this.#expiresAt] = [principal, expiresAt];
  }

  /** The transport is useless, and has not said good-bye. Whoever may come back is waited for. */
  lose(error: Error | undefined): void {
    if (!this.isResumable) return this.abort(error);
    this.carrier?.destroy();
    this.carrier = undefined;
    this.#aloneSince = this.settings.clock.now();
    this.#log('suspended', error);
    this.#guard(() => this.#resumer?.suspended());
  }

  send(data: Chunk): void {
    if (this.#state !== 'open' || data.length === 0 || this.isSuspended) return;
    (this.#output ??= new ChunkQueue()).push(data);
    const buffered = this.#bufferedBytes;
    const { outputLimitBytes, outputHighWaterBytes } = this.settings;
    if (buffered >= outputHighWaterBytes) this.#isBlocked = true;
    if (buffered <= outputLimitBytes) this.#scheduleFlush();
    else this.abort(new Error(`the client reads too slowly: more than ${outputLimitBytes} bytes of output wait`));
  }

  /** Everything queued, now the transport's. */
  takeOutput(): ChunkQueue<Chunk> {
    const taken = this.#output ?? new ChunkQueue();
    this.#output = undefined;
    return taken;
  }

  /** Puts back in front what the transport had taken but could not deliver. */
  restoreOutput(chunk: Uint8Array): void {
    (this.#output ??= new ChunkQueue()).unshift(chunk);
  }

  /** The transport has delivered what it took. */
  outputMoved(): void {
    if (!this.#isBlocked || this.#bufferedBytes >= this.settings.outputHighWaterBytes) return;
    this.#isBlocked = false;
    if (this.#state === 'open') this.#guard(() => this.#application?.writable());
  }

  /** Bytes of the peer; they wait while nothing runs on the connection yet or the application has paused. */
  receive(chunk: Buffer): void {
    if (this.#state !== 'open' || chunk.length === 0) return;
    (this.#input ??= new ChunkQueue()).push(chunk);
    this.#deliver();
  }

  /** Of the application: the bytes that wait for it. */
  get inputBytes(): number {
    return this.#input?.bytes ?? 0;
  }

  pause(): void {
    if (this.#state !== 'open') return;
    this.#isPaused = true;
    this.carrier?.pauseInput();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#deliver();
    if (!this.#isPaused) this.carrier?.resumeInput();
  }

  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#dropInput();
    if (this.carrier === undefined) this.finish(undefined);
    else this.#scheduleFlush();
  }

  abort(error: Error | undefined): void {
    if (error !== undefined && this.#state !== 'gone') this.#log('dropped', error);
    this.carrier?.destroy();
    this.finish(error);
  }

  shutdown(): void {
    if (this.#state !== 'open') return;
    if (this.#application === undefined) this.close();
    else this.#guard(() => this.#application?.shutdown());
  }

  heartbeat(now: number): void {
    if (now - (this.#aloneSince ?? now) >= this.settings.disconnectTimeoutMs) this.finish(undefined);
    this.carrier?.heartbeat(now);
    if (this.settings.closeOnAuthenticationExpiration && now >= (this.#expiresAt ?? Infinity)) this.shutdown();
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
    this.#surroundings.table.remove(this.#token);
    this.endApplication(error);
  }

  get #bufferedBytes(): number {
    return (this.#output?.bytes ?? 0) + (this.carrier?.bufferedBytes ?? 0);
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
    if (this.#state !== 'gone') this.carrier?.flush();
  }

  #deliver(): void {
    const application = this.#application;
    if (application === undefined) return;
    while (this.#input !== undefined && !this.#isPaused && this.#state === 'open') {
      const chunk = this.#input.shift();
      if (this.#input.bytes === 0) this.#input = undefined;
      if (chunk !== undefined) this.#guard(() => application.receive(chunk));
    }
    this.posts?.wake?.();
  }

  /** Nothing more will be read, but the transport must go on hearing how the peer closes. */
  #dropInput(): void {
    this.#input = undefined;
    if (this.#isPaused) this.carrier?.resumeInput();
    this.#isPaused = false;
    this.posts?.wake?.();
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

  /** The reasons are ours, never words of a client. */
  #log(what: 'dropped' | 'suspended' | 'resumed', error?: Error): void {
    const fields = { event: `signalr.connection.${what}`, connectionId: this.id, ...(error && { reason: error.message }) };
    this.settings.logger.info(fields, `a connection was ${what}`);
  }

  #logFailure(err: unknown): void {
    const { logger } = this.settings;
    logger.error({ event: 'signalr.application.failed', connectionId: this.id, err }, 'the application of a connection failed');
  }
}

function flush(connection: { flushNow(): void }): void {
  connection.flushNow();
}
