/**
 * Carries a connection over polls: each GET waits for output and takes all there is. A response that did not finish is
 * queued again, in front.
 *
 * @see TransportProtocols.md, "Long Polling (Server-to-Client only)"
 */
import type { ServerResponse } from 'node:http';
import { joinChunks } from '../protocol/chunks.ts';
import { answerBytes, answerEmpty, noCache } from './answer.ts';
import type { HttpConnection } from './http-connection.ts';
import type { Transport } from './transport.ts';

export class LongPollingTransport<P> implements Transport {
  readonly #connection: HttpConnection<P>;
  /** The poll that waits for output. */
  #waiting: ServerResponse | undefined;
  /** The poll whose answer is on its way. */
  #sending: ServerResponse | undefined;
  #sendingBytes = 0;
  /** When the present state began: idle, waiting or sending. */
  #since: number;

  /** @param first the poll that connected, answered at once: to clients that is what "connected" means */
  constructor(connection: HttpConnection<P>, first: ServerResponse) {
    this.#connection = connection;
    this.#since = this.#now();
    this.#send(first, Buffer.alloc(0));
  }

  get name() {
    return 'LongPolling' as const;
  }

  get bufferedBytes(): number {
    return this.#sendingBytes;
  }

  /** The newest poll waits; an older one that still does is over. */
  poll(response: ServerResponse): void {
    const older = this.#waiting;
    this.#waiting = response;
    if (this.#sending === undefined) this.#since = this.#now();
    response.once('close', () => this.#onClosed(response));
    if (older !== undefined) answerEmpty(older, 204, noCache);
    this.flush();
  }

  flush(): void {
    const poll = this.#waiting;
    if (poll === undefined) {
      if (this.#connection.isClosed && !this.#connection.hasOutput && this.#sending === undefined)
        this.#connection.endApplication(undefined);
      return;
    }
    if (this.#sending !== undefined) return;
    if (this.#connection.hasOutput) {
      const { chunks, bytes } = this.#connection.takeOutput();
      this.#waiting = undefined;
      this.#send(poll, joinChunks(chunks, bytes));
    } else if (this.#connection.isClosed) {
      this.end();
      this.#connection.finish(undefined);
    }
  }

  /** Answers a waiting poll with "no more". */
  end(): void {
    const poll = this.#waiting;
    this.#waiting = undefined;
    if (poll !== undefined) answerEmpty(poll, 204, noCache);
  }

  /** POSTs wait for room in the connection's queue; there is nothing else to pause. */
  pauseInput(): void {}

  resumeInput(): void {}

  heartbeat(now: number): void {
    const { pollTimeoutMs, disconnectTimeoutMs, transportSendTimeoutMs } = this.#connection.settings;
    const elapsedMs = now - this.#since;
    if (this.#sending !== undefined) {
      if (elapsedMs >= transportSendTimeoutMs)
        this.#connection.abort(new Error(`the client took no output for ${transportSendTimeoutMs} ms`));
    } else if (this.#waiting !== undefined) {
      if (elapsedMs >= pollTimeoutMs) this.#answerNothing(this.#waiting);
    } else if (elapsedMs >= disconnectTimeoutMs) {
      this.#connection.finish(undefined);
    }
  }

  destroy(): void {
    this.end();
    this.#sending?.destroy();
  }

  #answerNothing(poll: ServerResponse): void {
    this.#waiting = undefined;
    this.#since = this.#now();
    answerEmpty(poll, 200, noCache);
  }

  #send(response: ServerResponse, body: Buffer): void {
    this.#sending = response;
    this.#sendingBytes = body.length;
    this.#since = this.#now();
    response.once('close', () => this.#onSent(response, body));
    response.once('finish', () => this.#onSent(response, body));
    answerBytes(response, body);
  }

  /** Comes twice for an answer that finished: by then it is no longer the one being sent. */
  #onSent(response: ServerResponse, body: Buffer): void {
    if (this.#sending !== response) return;
    this.#sending = undefined;
    this.#sendingBytes = 0;
    this.#since = this.#now();
    if (!response.writableFinished && body.length > 0) this.#connection.restoreOutput(body);
    this.#connection.outputMoved();
    this.flush();
  }

  #onClosed(response: ServerResponse): void {
    if (this.#waiting !== response) return;
    this.#waiting = undefined;
    if (this.#sending === undefined) this.#since = this.#now();
  }

  #now(): number {
    return this.#connection.settings.clock.now();
  }
}
