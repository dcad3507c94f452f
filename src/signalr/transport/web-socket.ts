/**
 * Carries a connection over one WebSocket. Reading is the `ws` package's work; messages are written to the socket by hand,
 * one buffer each. All listeners are shared functions: an idle socket costs no closure.
 */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { HttpConnection } from './http-connection.ts';
import type { Transport } from './transport.ts';
import { webSocketFrame } from './web-socket-frame.ts';

const NORMAL_CLOSURE = 1000;
/** Codes by which `ws` itself ends a connection, for what the peer did wrong. */
const faultCodes = new Set([1002, 1007, 1008, 1009, 1011]);

interface Carrier {
  onMessage(data: Buffer): void;
  onError(error: Error): void;
  onClose(): void;
}

type OwnedSocket = WebSocket & { readonly carrier: Carrier };

export class WebSocketTransport<P> implements Transport {
  readonly #connection: HttpConnection<P>;
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  #error: Error | undefined;
  #waitsForDrain = false;
  #writtenBytes = 0;
  /** The most that the operating system had accepted when last looked, and when that last grew. */
  #acceptedBytes = 0;
  #stuckSince = 0;

  /** @param socket the one under `webSocket` */
  constructor(connection: HttpConnection<P>, webSocket: WebSocket, socket: Duplex) {
    this.#connection = connection;
    this.#webSocket = webSocket;
    this.#socket = socket;
    const owned: OwnedSocket = Object.assign(webSocket, { carrier: this });
    owned.close = closeNormally;
    owned.on('message', onMessage);
    owned.on('error', onError);
    owned.on('close', onClose);
  }

  get name() {
    return 'WebSockets' as const;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  flush(): void {
    const { chunks, bytes } = this.#connection.takeOutput();
    if (chunks.length > 0 && this.#webSocket.readyState === WebSocket.OPEN)
      this.#write(webSocketFrame(chunks, bytes, this.#isBinary));
    if (this.#connection.isClosed) this.#webSocket.close(NORMAL_CLOSURE);
    else if (!this.#waitsForDrain) this.#connection.outputMoved();
  }

  pauseInput(): void {
    this.#webSocket.pause();
  }

  resumeInput(): void {
    this.#webSocket.resume();
  }

  heartbeat(now: number): void {
    const waiting = this.#socket.writableLength;
    const accepted = this.#writtenBytes - waiting;
    if (waiting === 0 || accepted > this.#acceptedBytes || this.#stuckSince === 0) {
      this.#acceptedBytes = accepted;
      this.#stuckSince = waiting === 0 ? 0 : now;
      return;
    }
    const { transportSendTimeoutMs } = this.#connection.settings;
    if (now - this.#stuckSince < transportSendTimeoutMs) return;
    this.#connection.abort(new Error(`the client took no output for ${transportSendTimeoutMs} ms`));
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  onMessage(data: Buffer): void {
    this.#connection.receive(data);
  }

  onError(error: Error): void {
    this.#error = error;
  }

  onClose(): void {
    this.#connection.finish(this.#error);
  }

  get #isBinary(): boolean {
    return this.#connection.transferFormat === 'Binary';
  }

  #write(frame: Buffer): void {
    this.#writtenBytes += frame.length;
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

function onClose(this: WebSocket): void {
  if (isOwned(this)) this.carrier.onClose();
}

function isOwned(webSocket: WebSocket): webSocket is OwnedSocket {
  return 'carrier' in webSocket;
}

/** `ws` echoes the code of the client's close frame, and an empty frame for none; clients of SignalR expect 1000. */
function closeNormally(this: WebSocket, code?: number): void {
  WebSocket.prototype.close.call(this, code !== undefined && faultCodes.has(code) ? code : NORMAL_CLOSURE);
}
