/**
 * POST {base}/refresh?id=…: a newer credential for an open connection.
 */
import { admit, type Exchange, foreignConnection, isSameUser, namedConnection } from './admit.ts';
import { answerJson } from './answer.ts';
import type { Surroundings } from './http-connection.ts';
import { lifetimeSeconds } from './serve-negotiate.ts';
import { passOn } from './serve-requests.ts';

/** What a client is told when it gets no further, with its status. */
const statuses = {
  refresh_disabled: 404,
  missing_connection_token: 400,
  connection_not_found: 404,
  unsupported_negotiate_version: 400,
  user_changed: 403,
} as const;

export async function serveRefresh<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const foreign = exchange.isForwarded ? undefined : foreignConnection(surroundings, exchange);
  if (foreign === undefined) await refresh(surroundings, exchange);
  else await passOn(surroundings, exchange, foreign.node);
}

async function refresh<P>(surroundings: Surroundings<P>, exchange: Exchange): Promise<void> {
  const { settings } = surroundings;
  const admission = await admit(surroundings, exchange, { kind: 'refresh' });
  if (admission === undefined) return;
  const connection = namedConnection(surroundings, exchange);
  if (!settings.authenticationRefresh) {
    refuse(exchange, 'refresh_disabled');
  } else if (exchange.token === undefined) {
    refuse(exchange, 'missing_connection_token');
  } else if (connection === undefined) {
    refuse(exchange, 'connection_not_found');
  } else if (connection.id === exchange.token) {
    // The id is public: whoever knows it must not speak for its connection.
    refuse(exchange, 'unsupported_negotiate_version');
  } else if (!isSameUser(surroundings, connection, admission.principal)) {
    refuse(exchange, 'user_changed');
  } else {
    connection.renew(admission);
    answerJson(exchange.response, JSON.stringify({ tokenLifetimeSeconds: lifetimeSeconds(settings, admission) }));
  }
}

function refuse({ response }: Exchange, error: keyof typeof statuses): void {
  answerJson(response, JSON.stringify({ error }), statuses[error]);
}
