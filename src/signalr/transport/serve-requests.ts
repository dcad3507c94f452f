/**
 * GET, POST and DELETE of {base}?id=…: polls, data from the client, and its good-bye. Each verb keeps the official order
 * of the checks. What names a connection of another node is passed on to that one.
 */
import { admit, type Exchange, foreignConnection, isSameUser, namedConnection } from './admit.ts';
import {
  answerEmpty,
  noCache,
  refuseChange,
  refuseNoId,
  refuseOtherUser,
  refusePost,
  refuseTerminate,
  refuseTransport,
  refuseUnavailable,
  refuseUnknown,
} from './answer.ts';
import type { HttpConnection, Surroundings } from './http-connection.ts';
import { packRequest } from './kept-request.ts';
import { LongPollingTransport } from './long-polling.ts';
import { receivePost } from './receive-post.ts';
import { acceptsEventStream } from './request.ts';

/** Verbs without a meaning here are answered 405. */
export async function serveBase<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const serve = serveVerb(exchange.incoming.method);
  if (serve === undefined) {
    answerEmpty(exchange.response, 405);
    return;
  }
  const foreign = exchange.isForwarded ? undefined : foreignConnection(surroundings, exchange);
  if (foreign === undefined) await serve(surroundings, exchange);
  else await passOn(surroundings, exchange, foreign.node);
}

function serveVerb(method: string | undefined) {
  switch (method) {
    case 'GET':
      return serveGet;
    case 'POST':
      return servePost;
    case 'DELETE':
      return serveDelete;
    default:
      return undefined;
  }
}

/** Who asks, and whether that one may, is for the owner to say; without it, the connection is as unknown as any other. */
async function passOn<P>({ settings }: Surroundings<P>, { incoming, response }: Exchange, node: string): Promise<void> {
  const { cluster, maxBodyBytes } = settings;
  const outcome = (await cluster?.forward(node, { incoming, response, maxBodyBytes })) ?? 'unreachable';
  if (outcome === 'answered' || response.destroyed) return;
  const isPoll = incoming.method === 'GET' && !acceptsEventStream(incoming);
  switch (outcome) {
    case 'unreachable':
      refuseUnknown(response, isPoll ? noCache : {});
      break;
    case 'released':
      // To a client that polls: nothing has come, ask again. Its next poll is to find another way in.
      answerEmpty(response, 200, { ...noCache, Connection: 'close' });
      break;
    case 'full':
      refuseUnavailable(response);
      break;
    case 'too large':
      answerEmpty(response, 413, { Connection: 'close' });
      break;
    default:
      outcome satisfies never;
  }
}

/** A poll, or the GET of an event stream. */
async function serveGet<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { incoming, response } = exchange;
  const transport = acceptsEventStream(incoming) ? 'ServerSentEvents' : 'LongPolling';
  const headers = transport === 'LongPolling' ? noCache : {};
  const named = namedConnection(surroundings, exchange);
  const isFirst = transport === 'ServerSentEvents' || (named !== undefined && named.transport === undefined);
  const admission = await admit(surroundings, exchange, { kind: isFirst ? 'connect' : 'poll', transport });
  if (admission === undefined) return;
  const connection = namedConnection(surroundings, exchange);
  if (connection === undefined) {
    refuseUnnamed(exchange, headers);
  } else if (!surroundings.settings.transports.includes(transport)) {
    refuseTransport(response, transport, headers);
  } else if (admission.isAttachedElsewhere || (connection.transport !== undefined && connection.transport !== transport)) {
    refuseChange(response, headers);
  } else if (!isSameUser(surroundings, connection, admission.principal)) {
    refuseOtherUser(response, headers);
  } else {
    poll({ surroundings, exchange, connection, principal: admission.principal });
  }
}

interface Poll<P> {
  readonly surroundings: Surroundings<P>;
  readonly exchange: Exchange;
  readonly connection: HttpConnection<P>;
  readonly principal: P;
}

function poll<P>({ surroundings, exchange, connection, principal }: Poll<P>): void {
  const { incoming, response, url } = exchange;
  const { carrier } = connection;
  if (carrier instanceof LongPollingTransport) {
    carrier.poll(response);
  } else if (surroundings.isDraining) {
    refuseUnavailable(response);
  } else {
    const transport = new LongPollingTransport(connection);
    transport.answerFirst(response);
    connection.connect({ transport, principal, request: packRequest(incoming, url) });
  }
}

/** Data from a client that has no socket. */
async function servePost<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { incoming, response } = exchange;
  const admission = await admit(surroundings, exchange, { kind: 'send' });
  if (admission === undefined) return;
  const connection = namedConnection(surroundings, exchange);
  if (connection === undefined) refuseUnnamed(exchange);
  else if (admission.isAttachedElsewhere || connection.transport === 'WebSockets') refusePost(response);
  else if (!isSameUser(surroundings, connection, admission.principal)) refuseOtherUser(response);
  else await receivePost(connection, incoming, response);
}

/** The good-bye of a client that polls. */
async function serveDelete<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { response } = exchange;
  const admission = await admit(surroundings, exchange, { kind: 'terminate' });
  if (admission === undefined) return;
  const connection = namedConnection(surroundings, exchange);
  if (connection === undefined) {
    refuseUnnamed(exchange);
  } else if (!(connection.carrier instanceof LongPollingTransport)) {
    refuseTerminate(response);
  } else if (!isSameUser(surroundings, connection, admission.principal)) {
    refuseOtherUser(response);
  } else {
    answerEmpty(response, 202);
    connection.carrier.end();
    connection.finish(undefined);
  }
}

function refuseUnnamed({ response, token }: Exchange, headers = {}): void {
  if (token === undefined) refuseNoId(response, headers);
  else refuseUnknown(response, headers);
}
