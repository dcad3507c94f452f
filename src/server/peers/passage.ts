/**
 * One request on its way to the node that owns its connection, and the answer on its way back: streamed both ways, and given
 * up both ways. The answer is the owner's as a whole, or none.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as openRequest, type RequestOptions } from 'node:https';
import { pipeline } from 'node:stream';
import type { ForwardedExchange, ForwardOutcome } from '../../signalr/index.ts';
import { CLIENT, lineOf, linesForNextHop, NODE } from './peer-headers.ts';

/** A peer says at once that it has the request, and then again and again until it answers. */
const FIRST_SIGN_MS = 3_000;
const SILENCE_MS = 15_000;

export interface PassageOptions extends ForwardedExchange {
  readonly node: string;
  /** Where and how the node is called. */
  readonly channel: RequestOptions;
}

export class Passage {
  readonly outcome: Promise<ForwardOutcome>;
  readonly #options: PassageOptions;
  readonly #settle: (outcome: ForwardOutcome) => void;
  readonly #upstream: ClientRequest;
  /** How much the peer had said when it last said something, and for how long it has been silent since. */
  #heardBytes = 0;
  #silentMs = 0;
  #hasSign = false;
  #answer: IncomingMessage | undefined;
  #isReleased = false;
  /** Why there was no answer of the owner; undefined while all is well. Names no secret. */
  failure: string | undefined;

  constructor(options: PassageOptions) {
    const { promise, resolve } = Promise.withResolvers<ForwardOutcome>();
    this.outcome = promise;
    this.#settle = resolve;
    this.#options = options;
    this.#upstream = this.#send();
  }

  /**
   * Looks whether the peer is still there. Counts beats instead of reading a clock, which may be set, or run on while this process
   * is stopped. @param everyMs how far the beats are apart
   */
  heartbeat(everyMs: number): void {
    const bytes = this.#upstream.socket?.bytesRead ?? 0;
    if (bytes > this.#heardBytes) {
      this.#hasSign = true;
      this.#silentMs = 0;
    } else {
      this.#silentMs += everyMs;
    }
    this.#heardBytes = bytes;
    // The first beat came in less than its time.
    if (this.#silentMs <= (this.#hasSign ? SILENCE_MS : FIRST_SIGN_MS) || this.#isStream) return;
    this.#upstream.destroy(new Error(`the peer was silent for ${this.#silentMs} ms`));
  }

  /**
   * Ends the wait of a poll, or a stream, without losing what its answer may already carry: the owner is told that nothing more
   * will be asked here, and what it has written by then still comes first.
   */
  release(): void {
    if (this.#options.incoming.method !== 'GET' || (this.#answer !== undefined && !this.#isStream)) return;
    this.#isReleased = true;
    const { socket } = this.#upstream;
    if (socket === null || socket.connecting) this.#upstream.destroy();
    else socket.end();
  }

  /** At once, in both directions. */
  destroy(): void {
    this.#upstream.destroy();
  }

  /** May be silent for long, once it has begun; the connection's own keep-alive looks after it. */
  get #isStream(): boolean {
    return this.#answer?.headers['content-type']?.startsWith('text/event-stream') === true;
  }

  #send(): ClientRequest {
    const { channel, incoming, response } = this.#options;
    const { method = 'GET', url = '/' } = incoming;
    const upstream = openRequest({ ...channel, method, path: url, headers: this.#lines(), setHost: false });
    upstream.on('socket', (socket) => (this.#heardBytes = socket.bytesRead));
    upstream.on('information', () => (this.#hasSign = true));
    upstream.on('response', (answer) => this.#take(answer));
    upstream.on('error', (error) => this.#lose(reasonOf(error)));
    upstream.on('close', () => this.#lose('the peer has hung up'));
    response.once('close', () => this.#leave());
    if (method === 'POST') this.#sendBody(upstream);
    else upstream.end();
    return upstream;
  }

  #sendBody(upstream: ClientRequest): void {
    const { incoming, maxBodyBytes } = this.#options;
    let bytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes || this.#answer !== undefined) return;
      this.#settle('too large');
      upstream.destroy();
    });
    incoming.pipe(upstream);
  }

  /** What is left of a body is read to its end all the same: on this connection more requests may come. */
  #dropBody(): void {
    const { incoming } = this.#options;
    incoming.unpipe(this.#upstream);
    incoming.resume();
  }

  #lines(): string[] {
    const { incoming } = this.#options;
    const lines = linesForNextHop(incoming);
    // A poll and a good-bye have no body that anybody looks at.
    const kept = incoming.method === 'POST' ? lines : withoutLength(lines);
    return [...kept, CLIENT, incoming.socket.remoteAddress ?? ''];
  }

  #take(answer: IncomingMessage): void {
    const { node, response } = this.#options;
    if (lineOf(answer, NODE) !== node) {
      this.#upstream.destroy();
      this.#lose(`somebody else answered with status ${answer.statusCode}`);
      return;
    }
    this.#answer = answer;
    this.#dropBody();
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    const lines = linesForNextHop(answer);
    for (let at = 0; at + 1 < lines.length; at += 2) response.appendHeader(lines[at] ?? '', lines[at + 1] ?? '');
    if (answer.headers.connection === 'close') response.setHeader('Connection', 'close');
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage);
    if (this.#isStream) response.flushHeaders();
    pipeline(answer, response, (error) => {
      if (error || !this.#upstream.writableFinished) this.#upstream.destroy();
    });
  }

  #lose(reason: string): void {
    if (this.#answer !== undefined) return;
    this.#dropBody();
    if (!this.#isReleased) this.failure ??= reason;
    this.#settle(this.#isReleased ? 'released' : 'unreachable');
  }

  /** The answer is complete, or the client has left. */
  #leave(): void {
    if (!this.#options.response.writableFinished) this.#upstream.destroy();
    this.#settle('answered');
  }
}

/** OpenSSL's own words for an alert have places in its source, and memory addresses. */
function reasonOf({ message }: Error): string {
  const alert = /SSL alert number (\d+)/.exec(message)?.[1];
  return alert === undefined ? message : `who answers there does not share the secret of that node (TLS alert ${alert})`;
}

function withoutLength(lines: readonly string[]): string[] {
  return lines.filter((_line, at) => lines[at - (at % 2)]?.toLowerCase() !== 'content-length');
}
