/**
 * Negotiate: which version the client asked for, and the answers. Pure text.
 *
 * @see TransportProtocols.md, "POST [endpoint-base]/negotiate"
 */
import type { TransferFormat } from './hub-protocol.ts';

export type TransportName = 'WebSockets' | 'ServerSentEvents' | 'LongPolling';

/** In the order in which clients are to try them. */
export const transportFormats: Readonly<Record<TransportName, readonly TransferFormat[]>> = {
  WebSockets: ['Text', 'Binary'],
  ServerSentEvents: ['Text'],
  LongPolling: ['Text', 'Binary'],
};

const HIGHEST_VERSION = 1;
const LARGEST_INT32 = 2 ** 31 - 1;
/** White space around it, and zeros behind it, are overlooked. */
const INTEGER = /^[\t-\r ]*(?<digits>[+-]?\d+)[\t-\r ]*\0*$/;

export type VersionChoice = { readonly version: number } | { readonly error: string };

/** @param requested the values of the query member `negotiateVersion`; none means 0 */
export function chooseVersion(requested: readonly string[], minimum: number): VersionChoice {
  const [text = '0'] = requested;
  const version = requested.length <= 1 ? Number(INTEGER.exec(text)?.groups?.['digits']) : NaN;
  if (!(version >= -LARGEST_INT32 - 1 && version <= LARGEST_INT32))
    return { error: 'The client requested a non-integer protocol version.' };
  if (version < Math.max(minimum, 0)) {
    return { error: `The client requested version '${version}', but the server does not support this version.` };
  }
  return { version: Math.min(version, HIGHEST_VERSION) };
}

export interface NegotiateFacts {
  readonly version: number;
  readonly connectionId: string;
  /** The secret; with version 0 there is none beside the id. */
  readonly connectionToken: string;
  readonly transports: readonly TransportName[];
  /** The client may come back by a new WebSocket. Only for one that has asked: others take it for an error. */
  readonly statefulReconnect?: boolean;
  /** How long the credential lasts; only where it can be refreshed. */
  readonly tokenLifetimeSeconds?: number | undefined;
  /** The client continues there, negotiating anew. */
  readonly url?: string | undefined;
  /** The client sends it as its bearer from now on. */
  readonly accessToken?: string | undefined;
}

/** Absent members are left out, never null: not every client's reader takes nulls. */
export function negotiateAnswer(facts: NegotiateFacts): string {
  const { version, connectionId, connectionToken, statefulReconnect, tokenLifetimeSeconds, url, accessToken } = facts;
  if (url !== undefined) return JSON.stringify({ url, accessToken });
  return JSON.stringify({
    negotiateVersion: version,
    connectionId,
    connectionToken: version === 0 ? undefined : connectionToken,
    availableTransports: facts.transports.map((transport) => ({
      transport,
      transferFormats: transportFormats[transport],
    })),
    useStatefulReconnect: statefulReconnect === true || undefined,
    tokenLifetimeSeconds,
    accessToken,
  });
}

/** @param requested the values of the query member `useStatefulReconnect` */
export function asksStatefulReconnect(requested: readonly string[]): boolean {
  return /^\s*true\s*$/i.test(requested.join());
}
