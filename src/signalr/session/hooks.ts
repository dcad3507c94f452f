/**
 * The beginning and the end of a connection, as the app hears of them.
 */
import type { Methods } from '../hub/hub-clients.ts';
import type { HubConnection } from '../hub/hub-connection.ts';
import { InvalidOperationError } from '../hub/hub-error.ts';
import type { HubSettings } from '../hub/hub-options.ts';
import { CallContext, type Turns } from './call-context.ts';
import { closedWithError, faultText } from './fault-text.ts';
import { logFault } from './log-fault.ts';

/** Calls wait for onConnected, which would wait for the client, which may wait for a call. */
const connecting: Turns = {
  giveWay() {
    throw new InvalidOperationError('Client results inside OnConnectedAsync Hub methods are not allowed.');
  },
};

const disconnecting: Turns = { giveWay: () => undefined };

/** Whether the app wants the connection; if not, it is closed. */
export async function runOnConnected<P, Items, Client extends Methods>(
  settings: HubSettings<P, Items, Client>,
  connection: HubConnection<P, Items>,
): Promise<boolean> {
  try {
    await settings.onConnected?.(new CallContext(connection, settings.peers, connecting));
    return true;
  } catch (error) {
    logFault(settings.logger, { event: 'signalr.connect.failed', connectionId: connection.id, error });
    connection.close({ error: faultText(closedWithError, error, settings.enableDetailedErrors) });
    return false;
  }
}

/** @param reason why the connection has ended, if not in an orderly way */
export async function runOnDisconnected<P, Items, Client extends Methods>(
  settings: HubSettings<P, Items, Client>,
  connection: HubConnection<P, Items>,
  reason: Error | undefined,
): Promise<void> {
  try {
    await settings.onDisconnected?.(new CallContext(connection, settings.peers, disconnecting), reason);
  } catch (error) {
    logFault(settings.logger, { event: 'signalr.disconnect.failed', connectionId: connection.id, error });
  }
}
