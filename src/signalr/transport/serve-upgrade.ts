/**
 * WebSocket upgrades at {base}: the checks, answered as plain HTTP while the socket still speaks it, then the switch.
 */
import type { Socket } from 'node:net';
import type { WebSocketServer } from 'ws';
import { admit, type Admission, type Exchange, foreignConnection, isSameUser, namedConnection } from './admit.ts';
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
import { corsHeaders } from './cors.ts';
import { HttpConnection, type Surroundings } from './http-connection.ts';
import { packRequest } from './kept-request.ts';
import { hasRoom } from './serve-negotiate.ts';
import { WebSocketTransport } from './web-socket.ts';

export interface UpgradeExchange extends Exchange {
  readonly socket: Socket;
  /** Bytes that came behind the request. */
  readonly head: Buffer;
  readonly server: WebSocketServer;
}

/** Ends with a WebSocket or with a refusal. */
export async function serveUpgrade<P>(surroundings: Surroundings<P>, exchange: UpgradeExchange): Promise<void> {
  const { isOriginAllowed } = surroundings.settings;
  const { origin } = exchange.incoming.headers;
  if (isOriginAllowed !== undefined && origin !== undefined && !isOriginAllowed(origin)) {
    answerEmpty(exchange.response, 403);
    return;
  }
  const admission = await admit(surroundings, exchange, { kind: 'connect', transport: 'WebSockets' });
  if (admission === undefined) return;
  const connection = choose(surroundings, exchange, admission);
  if (connection !== undefined) switchProtocols(connection, exchange, admission.principal);
}

/** The connection that is to get this socket; undefined when the request is refused. */
function choose<P>(
  surroundings: Surroundings<P>,
  exchange: UpgradeExchange,
  { principal, isAttachedElsewhere }: Admission<P>,
): HttpConnection<P> | undefined {
  const connection = namedConnection(surroundings, exchange);
  const identity = connection === undefined ? newIdentity(surroundings, exchange) : undefined;
  if (connection === undefined && identity === undefined) {
    refuseUnknownUpgrade(exchange.response);
  } else if (!surroundings.settings.transports.includes('WebSockets')) {
    refuseTransport(exchange.response, 'WebSockets');
  } else if (isAttachedElsewhere || connection?.transport === 'WebSockets') {
    answerEmpty(exchange.response, 409);
  } else if (connection?.transport !== undefined) {
    refuseChange(exchange.response);
  } else if (!isTheirs(surroundings, exchange, principal)) {
    refuseOtherUser(exchange.response);
  } else if (connection === undefined ? !hasRoom(surroundings) : surroundings.isDraining) {
    refuseUnavailable(exchange.response);
  } else {
    return connection ?? (identity && new HttpConnection(surroundings, { ...identity, principal }));
  }
  return undefined;
}

/** Of a connection that begins with its socket, and of one that another node has made and this one takes over. */
function newIdentity<P>(surroundings: Surroundings<P>, exchange: Exchange): { id: string; token: string } | undefined {
  const { token } = exchange;
  if (token === undefined) return { id: createConnectionId(), token: createConnectionId() };
  const id = foreignConnection(surroundings, exchange)?.connectionId;
  return id === undefined ? undefined : { id, token };
}

/** Whether who asks is the one that negotiated. */
function isTheirs<P>(surroundings: Surroundings<P>, exchange: Exchange, principal: P): boolean {
  const { tokens, cluster } = surroundings.settings;
  const connection = namedConnection(surroundings, exchange);
  if (connection !== undefined) return isSameUser(surroundings, connection, principal);
  return exchange.token === undefined || tokens?.isFor(exchange.token, cluster?.userOf?.(principal) ?? '') === true;
}

function switchProtocols<P>(connection: HttpConnection<P>, exchange: UpgradeExchange, principal: P): void {
  const { incoming, socket, head, server, url } = exchange;
  socket.off('error', ignoreSocketError);
  if (connection.settings.lean && incoming.headers['sec-websocket-protocol'] === undefined) {
    switchLean(connection, exchange, principal);
    return;
  }
  // Synchronous, unless the socket is dead: then the connection stays without a transport and goes by its timeout.
  server.handleUpgrade(incoming, socket, head, (webSocket) => {
    const transport = new WebSocketTransport(connection, exchange, webSocket);
    connection.connect({ transport, principal, request: packRequest(incoming, url) });
  });
}

/** Without an object of `ws`. */
function switchLean<P>(connection: HttpConnection<P>, exchange: UpgradeExchange, principal: P): void {
  const { incoming, socket, head, url } = exchange;
  if (!socket.readable || !socket.writable) {
    socket.destroy();
    return;
  }
  acceptUpgrade(incoming, socket, corsHeaders(incoming, connection.settings.isOriginAllowed));
  const transport = new WebSocketTransport(connection, exchange);
  connection.connect({ transport, principal, request: packRequest(incoming, url) });
  transport.begin(head);
}

/** The listener that a socket has while it is neither accepted nor refused. */
export function ignoreSocketError(): void {}
