/**
 * Where other nodes pass requests on to this one: a small HTTP server on a port of its own, for peers alone. Says at once that
 * a request has arrived, and keeps saying so until it is answered, so that a peer can tell a long wait from a dead node.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { NODE, takeClientAddress } from './peer-headers.ts';
import { RareWarning } from './rare-warning.ts';
import { acceptingAs } from './secure-channel.ts';

const BEAT_MS = 5_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than what the servers for clients allow, so that it is they who give up. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than a forwarder keeps an idle connection. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/** What a client may send, and what peers add to it. */
const MAX_HEADER_BYTES = 32_768;
const MAX_CONNECTIONS = 20_000;
const VERBS = new Set(['GET', 'POST', 'DELETE']);

export interface PeerServerOptions {
  readonly node: string;
  readonly key: Uint8Array;
  /** Answers a request as if it had come from its client. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export class PeerServer implements AsyncDisposable {
  readonly #options: PeerServerOptions;
  readonly #server: Server;
  readonly #unanswered = new Set<ServerResponse>();
  /** Also those that have not proved anything yet, which the HTTP server does not know. */
  readonly #sockets = new Set<Socket>();
  readonly #refused: RareWarning;
  #timer: Timer | undefined;

  private constructor(options: PeerServerOptions) {
    this.#options = options;
    this.#refused = new RareWarning(options);
    this.#server = createServer({
      ...acceptingAs(options.node, options.key),
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // A client of HTTP/1.0 has none to pass on.
      requireHostHeader: false,
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response));
    this.#server.on('tlsClientError', (error: Error, { remoteAddress }: TLSSocket) => this.#refuse(error, remoteAddress));
  }

  /** Rejects as `listen` does, with `option`: what to change. */
  static async listen(options: PeerServerOptions, { host, port }: ListenOptions): Promise<PeerServer> {
    const peerServer = new PeerServer(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error: Error): void => reject(Object.assign(error, { option: '--peer-port' }));
    peerServer.#server.once('error', fail);
    peerServer.#server.listen(port, host, resolve);
    await promise;
    peerServer.#server.off('error', fail);
    return peerServer;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('expected a server that listens on a port');
    return address.port;
  }

  /** What is not answered by now is cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const client = takeClientAddress(request);
    if (!VERBS.has(request.method ?? '')) {
      response.writeHead(405, { 'Content-Length': 0 }).end();
    } else {
      this.#sayThatItIsHere(response);
      standFor(request.socket, client);
      response.setHeader(NODE, this.#options.node);
      this.#options.answer(request, response);
    }
  }

  /** Who only looks whether the port is open says nothing, and is not worth a line. */
  #refuse(error: Error, remoteAddress: string | undefined): void {
    if ('code' in error && error.code === 'ECONNRESET') return;
    const fields = { event: 'peers.connection.refused', remoteAddress };
    this.#refused.warn('', fields, 'who called did not prove to be a peer');
  }

  #sayThatItIsHere(response: ServerResponse): void {
    response.writeProcessing();
    this.#unanswered.add(response);
    response.once('close', () => this.#unanswered.delete(response));
    this.#timer ??= this.#options.clock.after(BEAT_MS, this.#beat);
  }

  readonly #beat = (): void => {
    for (const response of this.#unanswered) if (!response.headersSent) response.writeProcessing();
    this.#timer = this.#unanswered.size > 0 ? this.#options.clock.after(BEAT_MS, this.#beat) : undefined;
  };
}

/**
 * Who looks where a request came from, to count or to judge by, finds the client and not the peer. A connection between peers
 * carries one request at a time.
 */
function standFor(socket: Socket, client: string | undefined): void {
  Object.defineProperty(socket, 'remoteAddress', { value: client === '' ? undefined : client, configurable: true });
}
