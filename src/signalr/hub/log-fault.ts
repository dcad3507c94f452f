/** What clients do wrong is told without their data; what the app does wrong, with all that helps to find it. */
import type { Logger } from '../../logger.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { ClientTimeout } from './client-timeout.ts';
import { HubError } from './hub-error.ts';

export interface Fault {
  readonly event: string;
  readonly connectionId: string;
  readonly error: unknown;
}

export function logFault(logger: Logger, { event, connectionId, error }: Fault): void {
  const isForeseen = error instanceof ProtocolError || error instanceof HubError || error instanceof ClientTimeout;
  if (isForeseen) logger.info({ event, connectionId, reason: error.message }, 'a hub connection ended early');
  else logger.warn({ event, connectionId, err: error }, 'the app failed on a hub connection');
}
