/**
 * One kept-alive HTTP/1.1 connection, one request at a time: just enough HTTP for the servers of this benchmark, and cheap.
 * Answers must have a Content-Length; anything else is an error, not a guess.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Gets the status of the answer; its body only if asked for. */
type OnAnswer = (status: number, body: Buffer) => void;

const HEAD_END = Buffer.from('\r\n\r\n');
const READ_BYTES = 65_536;
/** Reads happen one after the other: one buffer is enough for every connection. */
const shared = Buffer.allocUnsafe(READ_BYTES);

export class HttpConnection {
  readonly #port: number;
  readonly #onGone: (error: Error) => void;
  #socket: Socket;
  #onAnswer: OnAnswer | undefined;
  #rest: Buffer | undefined;

  /** @param onGone called when it ends while an answer is awaited */
  constructor(port: number, onGone: (error: Error) => void) {
    this.#port = port;
    this.#onGone = onGone;
    this.#socket = this.#connect();
  }

  /** @param request its bytes must stay as they are until the answer has come */
  send(request: Buffer | string, onAnswer: OnAnswer): void {
    // Servers close what was idle for some seconds.
    if (this.#socket.destroyed || this.#socket.readableEnded) this.#socket = this.#connect();
    this.#onAnswer = onAnswer;
    if (typeof request === 'string') this.#socket.write(request, 'latin1');
    else this.#socket.write(request);
  }

  /** @throws Error when the connection ends before the answer */
  exchange(request: string): Promise<Answer> {
    return new Promise((resolve) => this.send(request, (status, body) => resolve({ status, body: body.toString('latin1') })));
  }

  close(): void {
    this.#onAnswer = undefined;
    this.#socket.destroy();
  }

  #connect(): Socket {
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (length, bytes) => this.#read(length, bytes) },
    });
    const end = (error: Error): void => {
      if (socket === this.#socket) this.#end(error);
    };
    return socket.on('error', end).on('close', () => end(new Error('the server closed a connection')));
  }

  #end(error: Error): void {
    if (this.#onAnswer === undefined) return;
    this.#onAnswer = undefined;
    this.#onGone(error);
  }

  #read(length: number, bytes: Uint8Array): boolean {
    const read = Buffer.from(bytes.buffer, bytes.byteOffset, length);
    const all = this.#rest === undefined ? read : Buffer.concat([this.#rest, read]);
    const bodyAt = all.indexOf(HEAD_END) + HEAD_END.length;
    const total = bodyAt < HEAD_END.length ? Infinity : bodyAt + contentLength(all, bodyAt);
    if (all.length < total) {
      this.#rest = all === read ? Buffer.from(read) : all;
      return true;
    }
    this.#rest = undefined;
    const onAnswer = this.#onAnswer;
    this.#onAnswer = undefined;
    onAnswer?.(Number(all.toString('latin1', 9, 12)), all.subarray(bodyAt, total));
    return true;
  }
}

function contentLength(bytes: Buffer, headEnd: number): number {
  const head = bytes.toString('latin1', 0, headEnd);
  const found = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (found === null) throw new Error(`expected an answer with a Content-Length, got ${JSON.stringify(head.slice(0, 300))}`);
  return Number(found[1]);
}
