/**
 * POST {base}/negotiate: makes a connection, or sends the client elsewhere.
 */
import type { IssuedToken } from '../protocol/connection-token.ts';
import { chooseVersion, negotiateAnswer } from '../protocol/negotiate.ts';
import { admit, type Exchange } from './admit.ts';
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
  const { connectionId, token } = issueToken(settings, choice.version, principal);
  if (additions.url === undefined) new HttpConnection(surroundings, { id: connectionId, token, principal });
  answerJson(
    response,
    negotiateAnswer({ ...choice, ...additions, connectionId, connectionToken: token, transports: settings.transports }),
  );
}

/** With version 0 the token is the id. */
function issueToken<P>({ tokens, cluster }: EndpointSettings<P>, version: number, principal: P): IssuedToken {
  const random = createConnectionId();
  if (tokens !== undefined) return tokens.issue({ random, version, user: cluster?.userOf?.(principal) ?? '' });
  return { connectionId: random, token: version === 0 ? random : createConnectionId() };
}

/** One more connection may be made. */
export function hasRoom<P>({ settings, table, isDraining }: Surroundings<P>): boolean {
  return !isDraining && table.size < settings.maxConnections;
}
