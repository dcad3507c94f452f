/**
 * Carries a connection over one answer that goes on until the connection ends: each flush is an event. What the client has
 * to say comes by POST.
 *
 * @see TransportProtocols.md, "Server-Sent Events (Server-to-Client only)"
 */
import type { ServerResponse } from 'node:http';
import { joinChunks } from '../protocol/chunks.ts';
import { eventOf } from '../protocol/event-stream.ts';
import { answerEvents } from './answer.ts';
import type { HttpConnection } from './http-connection.ts';
import type { Transport } from './transport.ts';
import { WriteWatch } from './write-watch.ts';

export class ServerSentEventsTransport<P> implements Transport {
  readonly #connection: HttpConnection<P>;
  readonly #response: ServerResponse;
  readonly #watch = new WriteWatch();

  /** @param response begins with a comment: to clients that is what "connected" means */
  constructor(connection: HttpConnection<P>, response: ServerResponse) {
    this.#connection = connection;
    this.#response = response;
    answerEvents(response);
    response.on('drain', () => connection.outputMoved());
    response.once('close', () => connection.finish(undefined));
  }

  get name() {
    return 'ServerSentEvents' as const;
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  flush(): void {
    const { chunks, bytes } = this.#connection.takeOutput();
    if (chunks.length > 0) this.#write(eventOf(joinChunks(chunks, bytes)));
    if (this.#connection.isClosed) this.#response.end();
    else if (!this.#response.writableNeedDrain) this.#connection.outputMoved();
  }

  /** POSTs wait for room in the connection's queue; there is nothing else to pause. */
  pauseInput(): void {}

  resumeInput(): void {}

  heartbeat(now: number): void {
    const { transportSendTimeoutMs } = this.#connection.settings;
    if (this.#watch.stuckMs(this.bufferedBytes, now) < transportSendTimeoutMs) return;
    this.#connection.abort(new Error(`the client took no output for ${transportSendTimeoutMs} ms`));
  }

  destroy(): void {
    this.#response.destroy();
  }

  #write(event: Buffer): void {
    this.#watch.wrote(event.length);
    this.#response.write(event);
  }
}
