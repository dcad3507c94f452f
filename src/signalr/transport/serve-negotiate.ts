/**
 * POST {base}/negotiate: makes a connection, or sends the client elsewhere.
 */
import type { IssuedToken } from '../protocol/connection-token.ts';
import { asksStatefulReconnect, chooseVersion, negotiateAnswer } from '../protocol/negotiate.ts';
import { admit, type Admission, type Exchange } from './admit.ts';
import { answerJson, answerRefusal, refuseUnavailable } from './answer.ts';
import { createConnectionId } from './connection-table.ts';
import type { EndpointSettings } from './endpoint-options.ts';
import { HttpConnection, type Surroundings } from './http-connection.ts';
import { queryValues } from './request.ts';

/** With an `url` among the additions no connection is made. */
export async function serveNegotiate<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { settings } = surroundings;
  const { response, url } = exchange;
  const admission = await admit(surroundings, exchange, { kind: 'negotiate' });
  if (admission === undefined) return;
  const choice = chooseVersion(queryValues(url, 'negotiateversion'), settings.minimumProtocolVersion);
  if ('error' in choice) {
    answerJson(response, JSON.stringify(choice));
    return;
  }
  const { principal, request } = admission;
  const additions = (await settings.onNegotiate?.(request, principal)) ?? {};
  if (exchange.isGone) return;
  if ('status' in additions) {
    answerRefusal(response, additions);
    return;
  }
  if (!hasRoom(surroundings)) {
    refuseUnavailable(response);
    return;
  }
  const { transports } = settings;
  const { version } = choice;
  const asks = asksStatefulReconnect(queryValues(url, 'usestatefulreconnect'));
  const statefulReconnect = asks && allowsStatefulReconnect(settings, version);
  const { connectionId, token } = issueToken(settings, { version, isResumable: statefulReconnect, principal });
  if (additions.url === undefined) {
    new HttpConnection(surroundings, { id: connectionId, token, principal, mayResume: statefulReconnect });
  }
  const tokenLifetimeSeconds = settings.authenticationRefresh ? lifetimeSeconds(settings, admission) : undefined;
  const names = { connectionId, connectionToken: token };
  const facts = { ...choice, ...additions, ...names, transports, statefulReconnect, tokenLifetimeSeconds };
  answerJson(response, negotiateAnswer(facts));
}

/** Among several nodes only where a client that comes back to any of them finds its connection. */
function allowsStatefulReconnect<P>({ statefulReconnect, transports, cluster }: EndpointSettings<P>, version: number): boolean {
  const isFound = cluster === undefined || (cluster.forwardUpgrade !== undefined && version > 0);
  return statefulReconnect && isFound && transports.includes('WebSockets');
}

interface Issue<P> {
  readonly version: number;
  readonly isResumable: boolean;
  readonly principal: P;
}

/** With version 0 the token is the id. */
function issueToken<P>({ tokens, cluster }: EndpointSettings<P>, { version, isResumable, principal }: Issue<P>): IssuedToken {
  const random = createConnectionId();
  if (tokens !== undefined) return tokens.issue({ random, version, isResumable, user: cluster?.userOf?.(principal) ?? '' });
  return { connectionId: random, token: version === 0 ? random : createConnectionId() };
}

/** How long the credential lasts from now on; undefined: for ever. */
export function lifetimeSeconds<P>({ clock }: EndpointSettings<P>, { expiresAt }: Admission<P>): number | undefined {
  return expiresAt === undefined ? undefined : Math.max(0, Math.floor((expiresAt - clock.now()) / 1000));
}

/** One more connection may be made. */
export function hasRoom<P>({ settings, table, isDraining }: Surroundings<P>): boolean {
  return !isDraining && table.size < settings.maxConnections;
}
