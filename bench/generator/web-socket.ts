/**
 * One browser: a WebSocket on a raw socket, as cheap as can be. Frames go out with a mask of zeroes; frames in are handed on
 * where they lie, in one buffer that all connections share. Knows no protocol above WebSocket.
 */
import { connect, type Socket } from 'node:net';
import { ORIGIN } from '../dialects/dialect.ts';

export interface WebSocketOptions {
  readonly port: number;
  readonly path: string;
  /** The address that it connects from: one address has ports for some 28,000 connections. */
  readonly localAddress: string;
  readonly onOpen: () => void;
  readonly onFrame: (payload: Lent) => void;
  /** Called once, unless it was closed from here. */
  readonly onGone: (error: Error) => void;
}

/** Bytes that are good only until the callback returns; the object too is used again. */
export interface Lent {
  bytes: Buffer;
  start: number;
  end: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const READ_BYTES = 65_536;
/** Reads happen one after the other: one buffer is enough for every connection. */
const shared = Buffer.allocUnsafe(READ_BYTES);
const lent: Lent = { bytes: shared, start: 0, end: 0 };

const TEXT = 0x81;
const BINARY = 0x82;
const MASKED = 0x80;
const CLOSE = 8;
const PING = 9;
const PONG = 0x8a;

/** A text frame, ready to be written. */
export function textFrame(text: string): Buffer {
  return frame(TEXT, Buffer.from(text));
}

/** A frame of at most 65,535 bytes. */
export function maskedFrame(isBinary: boolean, payload: Buffer): Buffer {
  return frame(isBinary ? BINARY : TEXT, payload);
}

function frame(head: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length > 65_535) throw new RangeError(`expected a payload of at most 65,535 bytes, got ${length}`);
  const size = length < 126 ? [MASKED | length] : [MASKED | 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(head, ...size, 0, 0, 0, 0), payload]);
}

export class WebSocketConnection {
  readonly #options: WebSocketOptions;
  readonly #socket: Socket;
  #isOpen = false;
  #isEnded = false;
  #rest: Buffer | undefined;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    const { port, path, localAddress } = options;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      localAddress,
      noDelay: true,
      onread: { buffer: shared, callback: (length) => this.#read(length) },
    });
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error(`the server closed a connection to ${path.replace(/\?.*/s, '')}`)));
    this.#socket.write(upgradeRequest(port, path), 'latin1');
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#isEnded = true;
    this.#socket.destroy();
  }

  #end(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.destroy();
    this.#options.onGone(error);
  }

  #read(length: number): boolean {
    if (this.#rest === undefined) {
      const at = this.#consume(shared, length);
      if (at < length) this.#rest = Buffer.from(shared.subarray(at, length));
      return true;
    }
    const all = Buffer.concat([this.#rest, shared.subarray(0, length)]);
    const at = this.#consume(all, all.length);
    this.#rest = at < all.length ? all.subarray(at) : undefined;
    return true;
  }

  /** Returns where what is not yet complete begins. */
  #consume(bytes: Buffer, end: number): number {
    let at = this.#isOpen ? 0 : this.#openWith(bytes, end);
    while (end - at >= 2 && this.#isOpen) {
      const opcode = (bytes[at] ?? 0) & 0x0f;
      const size = (bytes[at + 1] ?? 0) & 0x7f;
      const payloadAt = at + (size < 126 ? 2 : size === 126 ? 4 : 10);
      if (payloadAt > end) return at;
      const length = size < 126 ? size : size === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
      if (payloadAt + length > end) return at;
      lent.bytes = bytes;
      lent.start = payloadAt;
      lent.end = at = payloadAt + length;
      this.#take(opcode);
    }
    return at;
  }

  #openWith(bytes: Buffer, end: number): number {
    const headEnd = bytes.subarray(0, end).indexOf(HEAD_END);
    if (headEnd === -1) return 0;
    const status = bytes.toString('latin1', 9, 12);
    if (status !== '101') {
      this.#end(new Error(`expected the upgrade to be answered 101, got ${status}`));
      return end;
    }
    this.#isOpen = true;
    this.#options.onOpen();
    return headEnd + HEAD_END.length;
  }

  #take(opcode: number): void {
    if (opcode === CLOSE) this.#end(new Error('the server sent a close frame'));
    else if (opcode === PING) this.write(frame(PONG, lent.bytes.subarray(lent.start, lent.end)));
    else this.#options.onFrame(lent);
  }
}

export function upgradeRequest(port: number, path: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Origin: ${ORIGIN}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n');
}
