/**
 * Which header lines go from one hop to the next, and what peers tell each other in lines of their own. Works on the lines as
 * they came (`name, value, name, value …`), so that doubled ones and their spelling survive.
 */
import type { IncomingMessage } from 'node:http';

/** The network address from which the client's request has come. */
export const CLIENT = 'ringback-peer-client';
/** On an answer, who gives it: an answer without it is not the owner's. */
export const NODE = 'ringback-peer-node';
const OURS = 'ringback-peer-';

/** What belongs to a single hop. `expect`: the hop that had it has already said to go on. @see RFC 9110, section 7.6.1 */
const ofOneHop: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * What the owner judges a request by, and where it ends: no `Connection` line takes them away, and with them whom it came from
 * or what it may.
 */
const ofAllHops: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-type',
  'cookie',
  'forwarded',
  'host',
  'origin',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
]);

/** Without the lines of this hop, those that its `Connection` line names, and those that only peers may say. */
export function linesForNextHop({ rawHeaders, headers }: Pick<IncomingMessage, 'rawHeaders' | 'headers'>): string[] {
  const named = new Set(headers.connection?.split(',').map((name) => name.trim().toLowerCase()));
  return linesWithout(
    rawHeaders,
    (name) => ofOneHop.has(name) || name.startsWith(OURS) || (named.has(name) && !ofAllHops.has(name)),
  );
}

/** Takes the lines of peers off a request, which is then as the client had sent it, and says where that one is. */
export function takeClientAddress(request: IncomingMessage): string | undefined {
  const client = lineOf(request, CLIENT);
  request.rawHeaders = linesWithout(request.rawHeaders, (name) => name.startsWith(OURS));
  for (const name of Object.keys(request.headers)) if (name.startsWith(OURS)) delete request.headers[name];
  return client;
}

export function lineOf({ headers }: Pick<IncomingMessage, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

function linesWithout(rawHeaders: readonly string[], isDropped: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!isDropped(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}
