/** What clients do wrong is told without their data; what the app does wrong, with all that helps to find it. */
import type { Logger } from '../../logger.ts';
import { HubError } from '../hub/hub-error.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { ArgumentError } from './call.ts';
import { ClientTimeout } from './client-timeout.ts';

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

/** The client is told nothing of why, so whoever writes one has to find it here. */
export function logMisfit(
  logger: Logger,
  { connectionId, target, error }: Omit<Fault, 'event'> & { readonly target: string },
): void {
  const fields = { event: 'signalr.arguments.refused', connectionId, target, reason: reasonOf(error) };
  logger.debug(fields, 'the arguments of a call do not fit its method');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof ArgumentError)) return error instanceof Error ? error.message : String(error);
  return `argument ${error.index + 1}: ${error.cause instanceof Error ? error.cause.message : String(error.cause)}`;
}
