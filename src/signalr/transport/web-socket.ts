/**
 * Carries a connection over one WebSocket. Reading is the `ws` package's work; messages are written to the socket by hand,
 * one buffer each. All listeners are shared functions: an idle socket costs no closure.
 *
 * A lean one begins without a `ws` object and reads plain frames itself; whatever else comes, and the close, it leaves to
 * one that it makes then.
 */
import type { Socket } from 'node:net';
import { WebSocket, type WebSocketServer } from 'ws';
import { readPlainFrame, webSocketFrame } from '../protocol/web-socket-frame.ts';
import type { HttpConnection } from './http-connection.ts';
import type { Transport } from './transport.ts';
import { WriteWatch } from './write-watch.ts';

const NORMAL_CLOSURE = 1000;
/** No close frame has come. */
const ABNORMAL_CLOSURE = 1006;
const EMPTY = Buffer.alloc(0);

interface Carrier {
  onMessage(data: Buffer): void;
  onError(error: Error): void;
  onClose(code: number): void;
}

type OwnedWebSocket = WebSocket & { readonly carrier: Carrier };
/** A socket that speaks WebSocket, and has no `ws` object yet. */
type LeanSocket = Socket & { readonly carrier: { onData(chunk: Buffer): void; onClose(code: number): void } };

export interface WebSocketParts {
  readonly socket: Socket;
  readonly server: WebSocketServer;
}

export class WebSocketTransport<P> implements Transport {
  readonly #connection: HttpConnection<P>;
  /** Absent while lean. */
  #webSocket: WebSocket | undefined;
  /** Makes it, should that be needed. */
  readonly #server: WebSocketServer;
  readonly #socket: Socket;
  #error: Error | undefined;
  #waitsForDrain = false;
  readonly #watch = new WriteWatch();

  /** Nothing is read until {@link begin}. */
  constructor(connection: HttpConnection<P>, { socket, server }: WebSocketParts) {
    this.#connection = connection;
    this.#socket = socket;
    this.#server = server;
  }

  /** Reads from the socket, first of all what came behind the upgrade. */
  begin(head: Buffer): void {
    if (this.#connection.settings.lean) this.#beginLean(head);
    else this.#takeOver(head);
  }

  #beginLean(head: Buffer): void {
    const lean: LeanSocket = Object.assign(this.#socket, { carrier: this });
    lean.setTimeout(0);
    lean.setNoDelay();
    lean.on('close', onSocketClose);
    lean.on('error', onSocketError);
    lean.on('end', onSocketEnd);
    if (head.length > 0) lean.unshift(head);
    lean.on('data', onSocketData);
  }

  get name() {
    return 'WebSockets' as const;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  flush(): void {
    const { chunks, bytes } = this.#connection.takeOutput();
    if (chunks.length > 0 && this.#isOpen) this.#write(webSocketFrame(chunks, bytes, this.#isBinary));
    if (this.#connection.isClosed) this.#leaveToWs(EMPTY).close(NORMAL_CLOSURE);
    else if (!this.#waitsForDrain) this.#connection.outputMoved();
  }

  pauseInput(): void {
    (this.#webSocket ?? this.#socket).pause();
  }

  resumeInput(): void {
    (this.#webSocket ?? this.#socket).resume();
  }

  heartbeat(now: number): void {
    const { transportSendTimeoutMs } = this.#connection.settings;
    if (this.#watch.stuckMs(this.bufferedBytes, now) < transportSendTimeoutMs) return;
    this.#connection.lose(new Error(`the client took no output for ${transportSendTimeoutMs} ms`));
  }

  /** Another one has taken its place. */
  retire(): void {
    const webSocket = this.#leaveToWs(EMPTY);
    webSocket.resume();
    webSocket.close(NORMAL_CLOSURE);
  }

  destroy(): void {
    if (this.#webSocket === undefined) this.#socket.destroy();
    else this.#webSocket.terminate();
  }

  /** Of a lean socket. */
  onData(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const frame = readPlainFrame(rest, this.#connection.settings.maxWebSocketMessageBytes);
      if (frame === undefined) {
        this.#leaveToWs(rest);
        return;
      }
      rest = rest.subarray(frame.bytes);
      this.#connection.receive(frame.payload);
    }
  }

  onMessage(data: Buffer): void {
    if (this.#isCarrier) this.#connection.receive(data);
  }

  onError(error: Error): void {
    this.#error = error;
  }

  /** Any close frame is a good-bye. */
  onClose(code: number): void {
    if (!this.#isCarrier) return;
    if (code === ABNORMAL_CLOSURE && this.#error === undefined) this.#connection.lose(undefined);
    else this.#connection.finish(this.#error);
  }

  get #isCarrier(): boolean {
    return this.#connection.carrier === this;
  }

  get #isBinary(): boolean {
    return this.#connection.transferFormat === 'Binary';
  }

  get #isOpen(): boolean {
    return this.#webSocket === undefined ? this.#socket.writable : this.#webSocket.readyState === WebSocket.OPEN;
  }

  #own(webSocket: WebSocket): void {
    this.#webSocket = webSocket;
    const owned: OwnedWebSocket = Object.assign(webSocket, { carrier: this });
    owned.close = closeNormally;
    owned.on('message', onMessage);
    owned.on('error', onError);
    owned.on('close', onClose);
  }

  /** From now on the connection is not lean. @param unread bytes of the peer, beginning with a frame */
  #leaveToWs(unread: Buffer): WebSocket {
    const webSocket = this.#webSocket ?? this.#takeOver(EMPTY);
    if (unread.length > 0) this.#socket.emit('data', unread);
    return webSocket;
  }

  /** @param head what came behind the upgrade */
  #takeOver(head: Buffer): WebSocket {
    this.#socket.off('data', onSocketData).off('end', onSocketEnd).off('error', onSocketError).off('close', onSocketClose);
    const webSocket = openWebSocket(this.#socket, head, this.#server);
    this.#own(webSocket);
    return webSocket;
  }

  #write(frame: Buffer): void {
    this.#watch.wrote(frame.length);
    if (this.#socket.write(frame) || this.#waitsForDrain) return;
    this.#waitsForDrain = true;
    this.#socket.once('drain', () => {
      this.#waitsForDrain = false;
      this.#connection.outputMoved();
    });
  }
}

function onMessage(this: WebSocket, data: unknown): void {
  if (isOwned(this) && Buffer.isBuffer(data)) this.carrier.onMessage(data);
}

function onError(this: WebSocket, error: Error): void {
  if (isOwned(this)) this.carrier.onError(error);
}

function onClose(this: WebSocket, code: number): void {
  if (isOwned(this)) this.carrier.onClose(code);
}

function isOwned(webSocket: WebSocket): webSocket is OwnedWebSocket {
  return 'carrier' in webSocket;
}

function onSocketData(this: Socket, chunk: Buffer): void {
  if (isLean(this)) this.carrier.onData(chunk);
}

function onSocketClose(this: Socket): void {
  if (isLean(this)) this.carrier.onClose(ABNORMAL_CLOSURE);
}

/** A client that leaves without a close frame. */
function onSocketEnd(this: Socket): void {
  this.end();
}

/** The close that follows says what there is to say. */
function onSocketError(): void {}

function isLean(socket: Socket): socket is LeanSocket {
  return 'carrier' in socket;
}

/**
 * `ws` echoes the close frame of the client, or sends an empty one where that was; clients of SignalR expect 1000, whatever their own
 * code. An echo has a reason; by a code alone `ws` tells what the peer did wrong.
 */
function closeNormally(this: WebSocket, code = NORMAL_CLOSURE, echoedReason?: unknown): void {
  WebSocket.prototype.close.call(this, echoedReason === undefined ? code : NORMAL_CLOSURE);
}

/** `setSocket` is how `ws` itself begins; it stands in no documentation, so the version of `ws` is pinned, and tests look at it. */
type Opening = WebSocket & { setSocket(socket: Socket, head: Buffer, options: object): void };

/** As the server would have made it at the upgrade. */
function openWebSocket(socket: Socket, head: Buffer, { options }: WebSocketServer): WebSocket {
  const made: unknown = Reflect.construct(WebSocket, [null, undefined, options]);
  if (!isOpening(made)) throw new TypeError('this version of ws cannot take over a socket');
  made.setSocket(socket, head, options);
  return made;
}

function isOpening(made: unknown): made is Opening {
  return made instanceof WebSocket && 'setSocket' in made;
}
