/**
 * An upgrade that is neither accepted nor refused yet. Its socket still speaks HTTP, should it come to an answer.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocketServer } from 'ws';
import { tokenOf } from './admit.ts';
import { applyCors } from './cors.ts';
import type { UpgradeExchange } from './serve-upgrade.ts';

export interface PendingUpgradeOptions {
  readonly incoming: IncomingMessage;
  readonly url: URL;
  readonly socket: Socket;
  /** Bytes that came behind the request. */
  readonly head: Buffer;
  readonly server: WebSocketServer;
  readonly isOriginAllowed: ((origin: string) => boolean) | undefined;
}

export class PendingUpgrade implements UpgradeExchange {
  readonly incoming: IncomingMessage;
  readonly url: URL;
  readonly token: string | undefined;
  /** None is ever passed on: a socket is taken where it comes. */
  readonly isForwarded = false;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly server: WebSocketServer;
  readonly #isOriginAllowed: PendingUpgradeOptions['isOriginAllowed'];
  #response: ServerResponse | undefined;

  constructor(options: PendingUpgradeOptions) {
    this.incoming = options.incoming;
    this.url = options.url;
    this.token = tokenOf(options.url);
    this.socket = options.socket;
    this.head = options.head;
    this.server = options.server;
    this.#isOriginAllowed = options.isOriginAllowed;
  }

  get isGone(): boolean {
    return this.socket.destroyed;
  }

  get response(): ServerResponse {
    if (this.#response === undefined) {
      this.#response = responseOn(this.incoming, this.socket);
      applyCors(this.incoming, this.#response, this.#isOriginAllowed);
    }
    return this.#response;
  }
}

/** A plain answer on the socket of an upgrade; the socket ends with it. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // The official server sends none here either.
  response.removeHeader('Connection');
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  return response;
}
