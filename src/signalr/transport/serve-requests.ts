/**
 * GET, POST and DELETE of {base}?id=…: polls, data from the client, and its good-bye. Each verb keeps the official order
 * of the checks. What names a connection of another node is passed on to that one.
 */
import { admit, type Admission, type Exchange, foreignConnection, isSameUser, namedConnection } from './admit.ts';
import {
  answerEmpty,
  lastOnItsConnection,
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
import type { RequestKind } from './endpoint-options.ts';
import type { HttpConnection, Surroundings } from './http-connection.ts';
import { LongPollingTransport } from './long-polling.ts';
import { receivePost } from './receive-post.ts';
import { acceptsEventStream, packRequest } from './request.ts';
import { ServerSentEventsTransport } from './server-sent-events.ts';

export async function serveBase<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const serve = serveVerb(exchange.incoming.method);
  if (serve === undefined) {
    await refuseMethod(surroundings, exchange, 'send');
    return;
  }
  const foreign = exchange.isForwarded ? undefined : foreignConnection(surroundings, exchange);
  if (foreign === undefined) await serve(surroundings, exchange);
  else await passOn(surroundings, exchange, foreign.node);
}

/** A verb without a meaning here, which only those are told who may ask. */
export async function refuseMethod<P>(surroundings: Surroundings<P>, exchange: Exchange, kind: RequestKind): Promise<void> {
  if ((await admit(surroundings, exchange, { kind })) !== undefined) answerEmpty(exchange.response, 405);
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
export async function passOn<P>({ settings }: Surroundings<P>, exchange: Exchange, node: string): Promise<void> {
  const { incoming, response } = exchange;
  const { cluster, maxBodyBytes } = settings;
  const outcome = (await cluster?.forward(node, { incoming, response, maxBodyBytes })) ?? 'unreachable';
  if (outcome === 'answered' || exchange.isGone) return;
  const isPoll = incoming.method === 'GET' && !acceptsEventStream(incoming);
  switch (outcome) {
    case 'unreachable':
      refuseUnknown(response, isPoll ? noCache : {});
      break;
    case 'released':
      // To a client that polls: nothing has come, ask again. Its next poll is to find another way in.
      if (isPoll) answerEmpty(response, 200, { ...noCache, ...lastOnItsConnection(response) });
      else refuseUnavailable(response);
      break;
    case 'full':
      refuseUnavailable(response);
      break;
    case 'too large':
      answerEmpty(response, 413, lastOnItsConnection(response));
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
  const isFirst = transport === 'ServerSentEvents' || isUnconnected(namedConnection(surroundings, exchange));
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
  } else if (connection.carrier === undefined) {
    begin(surroundings, exchange, { ...admission, connection });
  } else if (connection.carrier instanceof LongPollingTransport) {
    if (admission.expiresAt !== undefined) connection.renew(admission);
    connection.carrier.poll(response);
  } else {
    answerEmpty(response, 409);
  }
}

function isUnconnected<P>(connection: HttpConnection<P> | undefined): boolean {
  return connection !== undefined && connection.transport === undefined;
}

interface Beginning<P> extends Pick<Admission<P>, 'principal' | 'expiresAt'> {
  readonly connection: HttpConnection<P>;
}

function begin<P>({ isDraining }: Surroundings<P>, exchange: Exchange, { connection, principal, expiresAt }: Beginning<P>): void {
  const { incoming, response, url } = exchange;
  if (isDraining) {
    refuseUnavailable(response);
    return;
  }
  const transport = acceptsEventStream(incoming)
    ? new ServerSentEventsTransport(connection, response)
    : new LongPollingTransport(connection, response);
  connection.connect({ transport, principal, expiresAt, request: packRequest(incoming, url) });
}

/** Data from a client that has no socket. */
async function servePost<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { response } = exchange;
  const admission = await admit(surroundings, exchange, { kind: 'send' });
  if (admission === undefined) return;
  const connection = namedConnection(surroundings, exchange);
  if (connection === undefined) refuseUnnamed(exchange);
  else if (admission.isAttachedElsewhere || connection.transport === 'WebSockets') refusePost(response);
  else if (!isSameUser(surroundings, connection, admission.principal)) refuseOtherUser(response);
  else await receivePost(connection, exchange);
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
    const { carrier } = connection;
    // What the application says last is for a poll that waits; there will be no other one.
    connection.shutdown();
    carrier.flush();
    carrier.end();
    connection.finish(undefined);
  }
}

function refuseUnnamed({ response, token }: Exchange, headers = {}): void {
  if (token === undefined) refuseNoId(response, headers);
  else refuseUnknown(response, headers);
}
