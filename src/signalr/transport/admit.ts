/**
 * Who makes a request, and which connection it names: asked for every request, before anything else about it is told.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NamedToken } from '../protocol/connection-token.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import { answerRefusal } from './answer.ts';
import type { Authentication, EndpointRequest, RequestKind } from './endpoint-options.ts';
import type { HttpConnection, Surroundings } from './http-connection.ts';
import { queryValues } from './request.ts';

/** A request and the place for its answer. */
export interface Exchange {
  readonly incoming: IncomingMessage;
  /** For an upgrade made at first need: most are accepted and never answered by it. */
  readonly response: ServerResponse;
  readonly url: URL;
  /** The connection token in the query, undefined when there is none. Several name nothing that exists. */
  readonly token: string | undefined;
  /** Another node has passed it on: it is answered here, whatever it names. */
  readonly isForwarded: boolean;
  /** The client has left. */
  readonly isGone: boolean;
}

export interface Admission<P> {
  readonly principal: P;
  /** Undefined: never. */
  readonly expiresAt: number | undefined;
  readonly isAttachedElsewhere: boolean;
  readonly request: EndpointRequest<P>;
}

export function tokenOf(url: URL): string | undefined {
  return url.search === '' ? undefined : queryValues(url, 'id').join(',') || undefined;
}

/** What the query names now. Ask again after every wait: connections go. */
export function namedConnection<P>({ table }: Surroundings<P>, { token }: Exchange): HttpConnection<P> | undefined {
  return token === undefined ? undefined : table.find(token);
}

/** The connection that it names, if another node has made that one, and this node neither carries it nor is closing it. */
export function foreignConnection<P>({ table, settings }: Surroundings<P>, { token }: Exchange): NamedToken | undefined {
  if (settings.tokens === undefined || token === undefined || table.has(token)) return undefined;
  return settings.tokens.readOther(token);
}

/** Undefined when the request is answered already, or its client gone. */
export async function admit<P>(
  surroundings: Surroundings<P>,
  exchange: Exchange,
  asked: { readonly kind: RequestKind; readonly transport?: TransportName },
): Promise<Admission<P> | undefined> {
  const { incoming, url } = exchange;
  const connection = namedConnection(surroundings, exchange);
  const connectionId = connection?.id ?? foreignConnection(surroundings, exchange)?.connectionId;
  const request = {
    ...asked,
    incoming,
    url,
    ...(connection && { connection }),
    ...(connectionId !== undefined && { connectionId }),
  };
  const who = await authenticate(surroundings, request);
  if (exchange.isGone) return undefined;
  if ('principal' in who) {
    const { principal, expiresAt, isAttachedElsewhere = false } = who;
    return { principal, expiresAt, isAttachedElsewhere, request };
  }
  answerRefusal(exchange.response, who);
  return undefined;
}

async function authenticate<P>({ settings }: Surroundings<P>, request: EndpointRequest<P>): Promise<Authentication<P>> {
  try {
    return await settings.authenticate(request);
  } catch (err) {
    settings.logger.error(
      { event: 'signalr.authenticate.failed', kind: request.kind, err },
      'the authentication of a request failed',
    );
    return { status: 500 };
  }
}

/** False: another user than the one of the connection; the caller answers 403. */
export function isSameUser<P>({ settings }: Surroundings<P>, connection: HttpConnection<P>, principal: P): boolean {
  return settings.isSameUser === undefined || settings.isSameUser(connection.principal, principal);
}
