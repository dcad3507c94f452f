/**
 * WebSocket upgrades at {base}: the checks, answered as plain HTTP while the socket still speaks it, then the switch.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocketServer } from 'ws';
import type { TransportName } from '../protocol/negotiate.ts';
import { admit, type Admission, type Exchange, foreignConnection, isSameUser, namedConnection, tokenOf } from './admit.ts';
import {
  acceptUpgrade,
  answerEmpty,
  refuseChange,
  refuseOtherUser,
  refuseTransport,
  refuseUnavailable,
  refuseUnknownUpgrade,
} from './answer.ts';
import { createConnectionId } from './connection-table.ts';
import { applyCors, corsHeaders } from './cors.ts';
import { HttpConnection, type Surroundings } from './http-connection.ts';
import { packRequest } from './request.ts';
import { hasRoom } from './serve-negotiate.ts';
import type { Arrival } from './transport.ts';
import { WebSocketTransport } from './web-socket.ts';

export interface UpgradeParts {
  readonly incoming: IncomingMessage;
  readonly url: URL;
  readonly socket: Socket;
  /** Bytes that came behind the request. */
  readonly head: Buffer;
  readonly server: WebSocketServer;
  readonly isOriginAllowed: ((origin: string) => boolean) | undefined;
  /** Another node has passed it on. */
  readonly isForwarded: boolean;
}

/** An upgrade that is neither accepted nor refused yet. Its socket still speaks HTTP, should it come to an answer. */
export class UpgradeExchange implements Exchange {
  readonly incoming: IncomingMessage;
  readonly url: URL;
  readonly token: string | undefined;
  readonly isForwarded: boolean;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly server: WebSocketServer;
  readonly #isOriginAllowed: UpgradeParts['isOriginAllowed'];
  #response: ServerResponse | undefined;

  constructor(options: UpgradeParts) {
    this.incoming = options.incoming;
    this.url = options.url;
    this.token = tokenOf(options.url);
    this.isForwarded = options.isForwarded;
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

/** Ends with a WebSocket or with a refusal. */
export async function serveUpgrade<P>(surroundings: Surroundings<P>, exchange: UpgradeExchange): Promise<void> {
  const foreign = exchange.isForwarded ? undefined : foreignConnection(surroundings, exchange);
  if (foreign?.isResumable === true) await passOn(surroundings, exchange, foreign.node);
  else await serveHere(surroundings, exchange);
}

/** Who asks, and whether that one may, is for the owner to say. */
async function passOn<P>({ settings }: Surroundings<P>, exchange: UpgradeExchange, node: string): Promise<void> {
  const isAnswered = await settings.cluster?.forwardUpgrade?.(node, exchange);
  if (isAnswered !== true && !exchange.isGone) refuseUnknownUpgrade(exchange.response);
}

async function serveHere<P>(surroundings: Surroundings<P>, exchange: UpgradeExchange): Promise<void> {
  const { isOriginAllowed } = surroundings.settings;
  const { origin } = exchange.incoming.headers;
  if (isOriginAllowed !== undefined && origin !== undefined && !isOriginAllowed(origin)) {
    answerEmpty(exchange.response, 403);
    return;
  }
  const admission = await admit(surroundings, exchange, { kind: 'connect', transport: 'WebSockets' });
  const connection = admission && choose(surroundings, exchange, admission);
  if (admission !== undefined && connection !== undefined) switchProtocols(connection, exchange, admission);
  else endRefused(surroundings, exchange);
}

/** Whoever could not come back tries no second time. */
function endRefused<P>(surroundings: Surroundings<P>, exchange: UpgradeExchange): void {
  const connection = namedConnection(surroundings, exchange);
  const isForbidden = !exchange.isGone && [401, 403].includes(exchange.response.statusCode);
  if (connection?.isSuspended === true && isForbidden) connection.finish(undefined);
}

/** The connection that is to get this socket; undefined when the request is refused. */
function choose<P>(
  surroundings: Surroundings<P>,
  exchange: UpgradeExchange,
  { principal, isAttachedElsewhere }: Admission<P>,
): HttpConnection<P> | undefined {
  const connection = namedConnection(surroundings, exchange);
  const identity = connection === undefined ? newIdentity(surroundings, exchange) : undefined;
  const occupant = connection && occupantOf(connection);
  if (connection === undefined && identity === undefined) {
    refuseUnknownUpgrade(exchange.response);
  } else if (!surroundings.settings.transports.includes('WebSockets')) {
    refuseTransport(exchange.response, 'WebSockets');
  } else if (isAttachedElsewhere || occupant === 'WebSockets') {
    answerEmpty(exchange.response, 409);
  } else if (occupant !== undefined) {
    refuseChange(exchange.response);
  } else if (!isTheirs(surroundings, exchange, { connection, principal })) {
    refuseOtherUser(exchange.response);
  } else if (connection === undefined ? !hasRoom(surroundings) : surroundings.isDraining) {
    refuseUnavailable(exchange.response);
  } else {
    return connection ?? (identity && new HttpConnection(surroundings, { ...identity, principal }));
  }
  return undefined;
}

/** The transport that the connection has for good: a WebSocket whose client may come back makes room. */
function occupantOf<P>({ isResumable, transport }: HttpConnection<P>): TransportName | undefined {
  return isResumable ? undefined : transport;
}

/** Of a connection that begins with its socket, and of one that another node has made and this one takes over. */
function newIdentity<P>(surroundings: Surroundings<P>, exchange: Exchange): { id: string; token: string } | undefined {
  const { token } = exchange;
  if (token === undefined) return { id: createConnectionId(), token: createConnectionId() };
  const foreign = foreignConnection(surroundings, exchange);
  return foreign === undefined || foreign.isResumable ? undefined : { id: foreign.connectionId, token };
}

/** Whether who asks is the one that negotiated. */
function isTheirs<P>(
  surroundings: Surroundings<P>,
  exchange: Exchange,
  { connection, principal }: { readonly connection: HttpConnection<P> | undefined; readonly principal: P },
): boolean {
  const { tokens, cluster } = surroundings.settings;
  if (connection !== undefined) return isSameUser(surroundings, connection, principal);
  return exchange.token === undefined || tokens?.isFor(exchange.token, cluster?.userOf?.(principal) ?? '') === true;
}

/** By hand: `ws` would refuse what the official server takes, such as a list of protocols in `Upgrade`. */
function switchProtocols<P>(
  connection: HttpConnection<P>,
  exchange: UpgradeExchange,
  { principal, expiresAt }: Admission<P>,
): void {
  const { incoming, socket, head, url } = exchange;
  socket.off('error', ignoreSocketError);
  // Dead: the connection stays without a transport and goes by its timeout.
  if (!socket.readable || !socket.writable) {
    socket.destroy();
    return;
  }
  acceptUpgrade(incoming, socket, corsHeaders(incoming, connection.settings.isOriginAllowed));
  const transport = new WebSocketTransport(connection, exchange);
  attach(connection, { transport, principal, expiresAt, request: packRequest(incoming, url) });
  transport.begin(head);
}

/** The last one wins: who comes back need not wait until the loss of the older socket has been noticed. */
function attach<P>(connection: HttpConnection<P>, arrival: Arrival<P>): void {
  const { carrier } = connection;
  connection.connect(arrival);
  if (carrier instanceof WebSocketTransport) carrier.retire();
}

/** The listener that a socket has while it is neither accepted nor refused. */
export function ignoreSocketError(): void {}
