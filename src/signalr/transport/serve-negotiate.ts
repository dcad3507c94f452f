/**
 * POST {base}/negotiate: makes a connection, or sends the client elsewhere.
 */
import { chooseVersion, negotiateAnswer } from '../protocol/negotiate.ts';
import { admit, type Exchange } from './admit.ts';
import { answerJson, answerRefusal, refuseUnavailable } from './answer.ts';
import { createConnectionId } from './connection-table.ts';
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
  const connectionId = createConnectionId();
  const connectionToken = choice.version === 0 ? connectionId : createConnectionId();
  if (additions.url === undefined) new HttpConnection(surroundings, { id: connectionId, token: connectionToken, principal });
  answerJson(
    response,
    negotiateAnswer({ ...choice, ...additions, connectionId, connectionToken, transports: settings.transports }),
  );
}

/** One more connection may be made. */
export function hasRoom<P>({ settings, table, isDraining }: Surroundings<P>): boolean {
  return !isDraining && table.size < settings.maxConnections;
}
