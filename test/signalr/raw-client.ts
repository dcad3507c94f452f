/**
 * A client on the bare wire: polls and POSTs by fetch, sockets by `ws`, messages as they came.
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';

export const shake = '{"protocol":"json","version":1}\u001e';

/** A hub message as JSON clients send it. */
export function frame(message: object): string {
  return `${JSON.stringify(message)}\u001e`;
}

export interface Negotiated {
  readonly connectionId: string;
  /** With its token. */
  readonly url: string;
}

/** @param query the app's own, such as `user=ada` */
export async function negotiate(base: string, query = ''): Promise<Negotiated> {
  const own = query === '' ? '' : `${query}&`;
  const response = await fetch(`${base}/negotiate?${own}negotiateVersion=1`, { method: 'POST' });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null) throw new TypeError('negotiate answered no object');
  if (!('connectionId' in answer) || !('connectionToken' in answer)) throw new TypeError('negotiate answered no ids');
  return { connectionId: String(answer.connectionId), url: `${base}?${own}id=${String(answer.connectionToken)}` };
}

/** A socket whose messages and end can be awaited, in order. */
export class RawSocket implements Disposable {
  readonly webSocket: WebSocket;
  readonly #messages: string[] = [];
  #wake: (() => void) | undefined;
  #closeCode: number | undefined;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.webSocket = new WebSocket(url.replace(/^http/, 'ws'), { headers });
    this.webSocket.on('message', (data: Buffer) => {
      this.#messages.push(...data.toString().split('\u001e').filter(Boolean));
      this.#wake?.();
    });
    this.webSocket.on('close', (code) => {
      this.#closeCode = code;
      this.#wake?.();
    });
    this.webSocket.on('error', () => undefined);
  }

  static async open(url: string, headers?: Record<string, string>): Promise<RawSocket> {
    const socket = new RawSocket(url, headers);
    await once(socket.webSocket, 'open');
    return socket;
  }

  /** Through the handshake. */
  static async join(url: string, request = shake): Promise<RawSocket> {
    const socket = await RawSocket.open(url);
    socket.send(request);
    const answer = await socket.next();
    if (answer !== '{}') throw new TypeError(`the handshake was answered ${answer}`);
    return socket;
  }

  send(text: string | Uint8Array): void {
    this.webSocket.send(text);
  }

  call(target: string, ...args: readonly unknown[]): void {
    this.send(frame({ type: 1, invocationId: '1', target, arguments: args }));
  }

  /** The next hub message, or `closed <code>`. */
  async next(): Promise<string> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#closeCode !== undefined) return `closed ${this.#closeCode}`;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.webSocket.terminate();
  }
}
