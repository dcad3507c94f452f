/**
 * One client of a hub, from its first byte to its last: handshake, messages, pings, timeouts, close. Calls are the
 * dispatcher's, bytes the connection's.
 *
 * @see HubProtocol.md
 */
import { FrameReader, findTextFrame } from '../protocol/framing.ts';
import { handshakeAnswer, parseHandshakeRequest } from '../protocol/handshake.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { type Completion, type HubMessage, MessageType } from '../protocol/messages.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { Application, Connection, ConnectRequest } from '../transport/connection.ts';
import { chooseProtocol } from './choose-protocol.ts';
import { ClientTimeout } from './client-timeout.ts';
import { type Caller, Dispatcher } from './dispatcher.ts';
import { closedWithError, faultText, handshakeCanceled, handshakeFailed } from './fault-text.ts';
import type { CloseOptions, HubConnection } from './hub-connection.ts';
import { HubError } from './hub-error.ts';
import type { HubSettings } from './hub-options.ts';
import { logFault } from './log-fault.ts';
import type { PreparedInvocation } from './prepared-invocation.ts';

/**
 * `shaking` waits for the request, `greeting` for onHandshake, `connecting` for onConnected. `closed` may still have
 * output on its way.
 */
type State = 'shaking' | 'greeting' | 'connecting' | 'open' | 'closed';

export class HubSession<P, Items> implements Application, Caller<P, Items> {
  readonly transport: TransportName;
  items: Items | undefined;
  onWritable: ((this: HubConnection<P, Items>) => void) | undefined;
  readonly #settings: HubSettings<P, Items>;
  readonly #connection: Connection<P>;
  /** Made by the first call, as the reader is by the first bytes: most connections idle, and hold neither. */
  #dispatcher: Dispatcher<P, Items> | undefined;
  #reader: FrameReader | undefined;
  #state: State = 'shaking';
  #protocol: HubProtocol | undefined;
  /** Until the handshake is done: when the session began. */
  #lastPingAt: number;
  #lastReceivedAt: number;
  #hasPinged = false;
  /** Nothing is read from the client for now. */
  #isHeld = false;
  /** Why the session ended, if not in an orderly way. */
  #error: Error | undefined;
  #hasEnded = false;
  /** onConnected has succeeded and onDisconnected is due. */
  #isConnected = false;

  constructor(settings: HubSettings<P, Items>, connection: Connection<P>, transport: TransportName) {
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
    return this.#isTalking && this.#connection.isWritable;
  }

  send(target: string, ...args: unknown[]): void {
    this.#write({ type: MessageType.invocation, target, arguments: args });
  }

  sendPrepared(invocation: PreparedInvocation): void {
    if (this.#isTalking && this.#protocol !== undefined) this.#connection.send(invocation.encodedBy(this.#protocol));
  }

  close(options: CloseOptions = {}): void {
    if (this.#isTalking) this.#write({ type: MessageType.close, ...options });
    this.#end();
  }

  complete(completion: Completion): void {
    this.#write(completion);
  }

  onRoom(): void {
    if (this.#isHeld && !this.#isFull && this.#state !== 'closed') this.#release();
  }

  receive(chunk: Buffer): void {
    (this.#reader ??= new FrameReader()).append(chunk);
    this.#read();
  }

  writable(): void {
    this.onWritable?.();
  }

  heartbeat(now: number): void {
    const { handshakeTimeoutMs, clientTimeoutMs, keepAliveIntervalMs } = this.#settings;
    if (this.#state === 'closed') return;
    if (!this.#isTalking) {
      if (now - this.#lastReceivedAt >= handshakeTimeoutMs)
        this.#cancelHandshake(new ProtocolError('The handshake took too long.'));
    } else if (this.#hasPinged && !this.#isHeld && now - this.#lastReceivedAt >= clientTimeoutMs) {
      this.#fail(new ClientTimeout());
    } else if (now - this.#lastPingAt >= keepAliveIntervalMs && this.transport !== 'LongPolling' && this.#connection.isWritable) {
      this.#lastPingAt = now;
      this.#write({ type: MessageType.ping });
    }
  }

  shutdown(): void {
    this.close({ allowReconnect: true });
  }

  ended(error: Error | undefined): void {
    this.#hasEnded = true;
    this.#error ??= error;
    this.#end();
    void this.#disconnect();
  }

  /** The handshake is answered and no Close is sent: hub messages may go out. */
  get #isTalking(): boolean {
    return this.#state === 'connecting' || this.#state === 'open';
  }

  #write(message: HubMessage): void {
    if (this.#isTalking && this.#protocol !== undefined) this.#connection.send(this.#protocol.encode(message));
  }

  #end(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#reader = undefined;
    this.#dispatcher?.close();
    this.#connection.close();
  }

  /** Takes frame by frame, until there is none or reading has to wait. */
  #read(): void {
    try {
      while (this.#isReading) {
        const frame = this.#reader?.next(this.#protocol?.findFrame ?? findTextFrame, this.#settings.maximumReceiveMessageSize);
        if (frame === undefined) break;
        if (this.#protocol === undefined) this.#shakeHands(frame);
        else this.#take(this.#protocol.parse(frame));
      }
    } catch (error) {
      if (this.#state !== 'shaking') this.#fail(error);
      else this.#cancelHandshake(error);
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

  #take(message: HubMessage | undefined): void {
    this.#lastReceivedAt = this.#settings.clock.now();
    switch (message?.type) {
      case MessageType.invocation:
      case MessageType.streamInvocation:
        (this.#dispatcher ??= new Dispatcher(this.#settings, this, this.#state === 'open')).accept(message);
        break;
      case MessageType.ping:
        this.#hasPinged = true;
        break;
      case MessageType.close:
        if (message.error !== undefined) this.#error = new HubError(message.error);
        this.close();
        break;
      default:
        // Types without meaning here: ignored, as clients do.
        break;
    }
  }

  /** Without a hook all of it happens at once, and reading goes on. */
  #shakeHands(frame: Buffer): void {
    this.#state = 'greeting';
    try {
      const protocol = chooseProtocol(parseHandshakeRequest(frame), this.#settings.protocols, this.transport);
      if (typeof protocol === 'string') this.#refuse(protocol);
      else if (this.#settings.onHandshake === undefined) this.#welcome(protocol);
      else void this.#greet(protocol);
    } catch (error) {
      this.#refuseFor(error);
    }
  }

  async #greet(protocol: HubProtocol): Promise<void> {
    try {
      await this.#settings.onHandshake?.(this);
    } catch (error) {
      this.#refuseFor(error);
      return;
    }
    if (this.isClosed) return;
    this.#welcome(protocol);
    this.#release();
  }

  #welcome(protocol: HubProtocol): void {
    const answer = handshakeAnswer();
    this.#protocol = protocol;
    this.#connection.transferFormat = protocol.transferFormat;
    this.#connection.send(protocol.transferFormat === 'Text' ? answer : Buffer.from(answer));
    this.#state = 'connecting';
    this.#lastPingAt = this.#lastReceivedAt = this.#settings.clock.now();
    void this.#connect();
  }

  #refuseFor(error: unknown): void {
    this.#log('signalr.handshake.failed', error);
    const { enableDetailedErrors } = this.#settings;
    this.#refuse(error instanceof HubError ? error.message : faultText(handshakeFailed, error, enableDetailedErrors));
  }

  #cancelHandshake(error: unknown): void {
    this.#log('signalr.handshake.canceled', error);
    this.#refuse(handshakeCanceled);
  }

  #refuse(text: string): void {
    if (this.#state === 'closed') return;
    this.#connection.send(handshakeAnswer(text));
    this.#end();
  }

  async #connect(): Promise<void> {
    const { onConnected, enableDetailedErrors } = this.#settings;
    try {
      if (onConnected !== undefined) await onConnected.call(this.#settings, this);
    } catch (error) {
      this.#log('signalr.connect.failed', error);
      this.close({ error: faultText(closedWithError, error, enableDetailedErrors) });
      return;
    }
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
    try {
      await this.#settings.onDisconnected?.(this, this.#error);
    } catch (error) {
      this.#log('signalr.disconnect.failed', error);
    }
  }

  #log(event: string, error: unknown): void {
    logFault(this.#settings.logger, { event, connectionId: this.id, error });
  }
}
