/**
 * One client of a hub, from its first byte to its last: handshake, messages, pings, timeouts, close. Calls are the
 * dispatcher's, bytes the connection's.
 *
 * @see HubProtocol.md
 */
import type { Methods } from '../hub/hub-clients.ts';
import type { CloseOptions, HubConnection } from '../hub/hub-connection.ts';
import { HubError } from '../hub/hub-error.ts';
import type { Member } from '../hub/hub-lifetime.ts';
import type { HubSettings } from '../hub/hub-options.ts';
import type { PreparedInvocation } from '../hub/prepared-invocation.ts';
import { FrameReader, findTextFrame } from '../protocol/framing.ts';
import { handshakeAnswer } from '../protocol/handshake.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { type HubMessage, MessageType } from '../protocol/messages.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { Application, Connection, ConnectRequest } from '../transport/connection.ts';
import { ClientTimeout } from './client-timeout.ts';
import { type Caller, Dispatcher } from './dispatcher.ts';
import { closedWithError, faultText, handshakeCanceled } from './fault-text.ts';
import { runOnConnected, runOnDisconnected } from './hooks.ts';
import { logFault } from './log-fault.ts';
import { Resumption } from './resumption.ts';
import { type Guest, shakeHands } from './shake-hands.ts';

/**
 * `shaking` waits for the request, `greeting` for onHandshake, `connecting` for onConnected. `closed` may still have
 * output on its way.
 */
type State = 'shaking' | 'greeting' | 'connecting' | 'open' | 'closed';

export class HubSession<P, Items, Client extends Methods> implements Application, Caller<P, Items>, Guest<P, Items>, Member {
  readonly transport: TransportName;
  items: Items | undefined;
  userId: string | undefined;
  onWritable: ((this: HubConnection<P, Items>) => void) | undefined;
  readonly #settings: HubSettings<P, Items, Client>;
  readonly #connection: Connection<P>;
  /** Made by the first call, as the reader is by the first bytes: most connections idle, and hold neither. */
  #dispatcher: Dispatcher<P, Items, Client> | undefined;
  #reader: FrameReader | undefined;
  #state: State = 'shaking';
  #protocol: HubProtocol | undefined;
  /** Where client and endpoint have agreed on stateful reconnect. */
  #resumption: Resumption | undefined;
  /** Until the handshake is done: when the session began. */
  #lastPingAt: number;
  #lastReceivedAt: number;
  #hasPinged = false;
  /** Nothing is read from the client for now. */
  #isHeld = false;
  /** Why the session ended, if not in an orderly way. */
  #error: Error | undefined;
  #hasEnded = false;
  /** Made when somebody asks for its signal. */
  #ending: AbortController | undefined;
  /** onConnected has succeeded and onDisconnected is due. */
  #isConnected = false;

  constructor(settings: HubSettings<P, Items, Client>, connection: Connection<P>, transport: TransportName) {
    this.#settings = settings;
    this.#connection = connection;
    this.transport = transport;
    this.#lastPingAt = this.#lastReceivedAt = settings.clock.now();
  }

  get id(): string {
    return this.#connection.id;
  }

  get principal(): P {
    return this.#connection.principal;
  }

  get request(): ConnectRequest {
    const { request } = this.#connection;
    if (request === undefined) throw new TypeError('a hub session has begun without a connect request');
    return request;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get isWritable(): boolean {
    return this.#isTalking && this.#outlet.isWritable;
  }

  get signal(): AbortSignal {
    if (this.#ending === undefined) {
      this.#ending = new AbortController();
      if (this.isClosed) this.#ending.abort();
    }
    return this.#ending.signal;
  }

  send(target: string, ...args: unknown[]): void {
    this.write({ type: MessageType.invocation, target, arguments: args });
  }

  sendPrepared(invocation: PreparedInvocation): void {
    if (this.#isTalking && this.#protocol !== undefined) this.#outlet.send(invocation.encodedBy(this.#protocol));
  }

  close(options: CloseOptions = {}): void {
    this.#resumption?.passAll();
    this.write({ type: MessageType.close, ...options }, this.#connection);
    this.#end();
  }

  write(message: HubMessage, outlet = this.#outlet): void {
    if (this.#isTalking && this.#protocol !== undefined) outlet.send(this.#protocol.encode(message));
  }

  onMove(): void {
    if (!this.#isHeld || this.#state === 'closed') return;
    if (!this.#isFull) this.#release();
    // Who is slow gets all the time it needs, who stands still does not.
    else this.#lastReceivedAt = this.#settings.clock.now();
  }

  welcome(protocol: HubProtocol, version: number): void {
    this.userId = this.#settings.userOf?.(this);
    const answer = handshakeAnswer();
    this.#protocol = protocol;
    this.#connection.transferFormat = protocol.transferFormat;
    this.#connection.send(protocol.transferFormat === 'Text' ? answer : Buffer.from(answer));
    this.#resumption = Resumption.of(this, { connection: this.#connection, protocol, version, settings: this.#settings });
    this.#state = 'connecting';
    this.#lastPingAt = this.#lastReceivedAt = this.#settings.clock.now();
    this.#settings.lifetime.connected(this);
    void this.#connect();
    if (this.#isHeld) this.#release();
  }

  refuse(text: string, error?: unknown): void {
    if (error !== undefined) this.#log('signalr.handshake.failed', error);
    if (this.#state === 'closed') return;
    this.#connection.send(handshakeAnswer(text));
    this.#end();
  }

  receive(chunk: Buffer): void {
    (this.#reader ??= new FrameReader()).append(chunk);
    this.#read();
  }

  writable(): void {
    this.#resumption?.pass();
    if (!this.isWritable) return;
    this.#dispatcher?.writable();
    this.onWritable?.();
  }

  startAnew(): void {
    this.#reader = undefined;
    this.#lastReceivedAt = this.#settings.clock.now();
  }

  heartbeat(now: number): void {
    const { handshakeTimeoutMs, clientTimeoutMs, keepAliveIntervalMs } = this.#settings;
    if (this.#state === 'closed' || this.#resumption?.heartbeat(now, !this.#isHeld) === false) return;
    if (!this.#isTalking) {
      if (now - this.#lastReceivedAt >= handshakeTimeoutMs)
        this.refuse(handshakeCanceled, new ProtocolError('The handshake took too long.'));
    } else if ((this.#hasPinged || this.#isHeld) && now - this.#lastReceivedAt >= clientTimeoutMs) {
      // Nothing was read from it: what it has sent since cannot be known.
      if (this.#isHeld) this.#dispatcher?.readOn();
      else this.#fail(new ClientTimeout());
    } else if (now - this.#lastPingAt >= keepAliveIntervalMs && this.transport !== 'LongPolling' && this.#connection.isWritable) {
      this.#lastPingAt = now;
      this.write({ type: MessageType.ping }, this.#connection);
    }
  }

  shutdown(): void {
    this.close({ allowReconnect: true });
  }

  ended(error: Error | undefined): void {
    this.#hasEnded = true;
    this.#error ??= error;
    this.#end();
    // Not in the midst of a send to many, of whom this one was too slow.
    queueMicrotask(() => void this.#disconnect());
  }

  /** The handshake is answered and no Close is sent: hub messages may go out. */
  get #isTalking(): boolean {
    return this.#state === 'connecting' || this.#state === 'open';
  }

  /** For what counts in stateful reconnect; the rest goes straight to the connection. */
  get #outlet(): Pick<Connection<P>, 'send' | 'isWritable'> {
    return this.#resumption ?? this.#connection;
  }

  #end(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#settings.lifetime.disconnected(this);
    this.#reader = undefined;
    this.#dispatcher?.close();
    this.#connection.close();
    this.#ending?.abort();
  }

  /** Takes frame by frame, until there is none or reading has to wait. */
  #read(): void {
    try {
      while (this.#isReading) {
        const frame = this.#reader?.next(this.#protocol?.findFrame ?? findTextFrame, this.#settings.maximumReceiveMessageSize);
        if (frame === undefined) break;
        if (this.#protocol !== undefined) {
          this.#take(this.#protocol.parse(frame), frame.length);
        } else {
          this.#state = 'greeting';
          shakeHands(frame, this, this.#settings);
        }
      }
    } catch (error) {
      if (this.#state !== 'shaking') this.#fail(error);
      else this.refuse(handshakeCanceled, error);
      return;
    }
    if (this.#reader?.isEmpty === true) this.#reader = undefined;
    if (this.#state !== 'greeting' && !this.#isFull) return;
    this.#isHeld = true;
    this.#connection.pause();
  }

  /** Reads on. The client was not silent meanwhile: it was not listened to. */
  #release(): void {
    this.#isHeld = false;
    this.#lastReceivedAt = this.#settings.clock.now();
    this.#connection.resume();
    this.#read();
  }

  get #isReading(): boolean {
    return this.#state === 'shaking' || (this.#isTalking && !this.#isFull);
  }

  get #isFull(): boolean {
    return this.#dispatcher?.isFull === true;
  }

  #take(message: HubMessage | undefined, bytes: number): void {
    this.#lastReceivedAt = this.#settings.clock.now();
    // Of a type that is not known: ignored, as clients do.
    if (message === undefined || this.#resumption?.accepts(message) === false) return;
    switch (message.type) {
      case MessageType.ping:
        this.#hasPinged = true;
        break;
      case MessageType.close:
        if (message.error !== undefined) this.#error = new HubError(message.error);
        this.close();
        break;
      case MessageType.ack:
      case MessageType.sequence:
        // Without meaning here.
        break;
      default:
        (this.#dispatcher ??= new Dispatcher(this.#settings, this, this.#state === 'open')).take(message, bytes);
    }
  }

  async #connect(): Promise<void> {
    // Without a hook calls may run at once.
    if (this.#settings.onConnected !== undefined && !(await runOnConnected(this.#settings, this))) return;
    this.#isConnected = true;
    if (this.#state === 'connecting') {
      this.#state = 'open';
      this.#dispatcher?.open();
    } else if (this.#hasEnded) {
      await this.#disconnect();
    }
  }

  /** What the client did or left undone ends its connection; it may come back. */
  #fail(error: unknown): void {
    this.#log('signalr.connection.failed', error);
    this.#error = error instanceof Error ? error : new Error('unknown failure', { cause: error });
    this.close({ error: faultText(closedWithError, error, this.#settings.enableDetailedErrors), allowReconnect: true });
  }

  async #disconnect(): Promise<void> {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    await runOnDisconnected(this.#settings, this, this.#error);
  }

  #log(event: string, error: unknown): void {
    logFault(this.#settings.logger, { event, connectionId: this.id, error });
  }
}
