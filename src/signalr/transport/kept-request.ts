/**
 * The little that is kept of a connect request while its connection idles: one string, taken apart at need.
 */
import type { IncomingMessage } from 'node:http';
import type { ConnectRequest } from './connection.ts';

/** Secrets, and what belongs to a single hop. */
const dropped = new Set([
  'authorization',
  'connection',
  'upgrade',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
]);
const secretMembers = new Set(['id', 'access_token']);

/** The address without its secrets, and a line for each header that is kept. */
export function packRequest(incoming: IncomingMessage, url: URL): string {
  let packed = url.origin + url.pathname + withoutSecrets(url.search);
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value === undefined || dropped.has(name) || name.startsWith('sec-websocket-')) continue;
    packed += `\n${name}:${Array.isArray(value) ? value.join(', ') : value}`;
  }
  // A rope of small strings would keep all its parts, and slices of the request's bytes: make it one flat string.
  return Buffer.from(packed).toString();
}

function withoutSecrets(search: string): string {
  if (search === '') return '';
  const members = search.slice(1).split('&');
  const kept = members.filter((member) => !secretMembers.has(nameOf(member)));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

/** As the query's reader would see it, so that no spelling of a secret's name slips through. */
function nameOf(member: string): string {
  for (const [name] of new URLSearchParams(member)) return name.toLowerCase();
  return '';
}

/** The reverse of {@link packRequest}. */
export function unpackRequest(packed: string): ConnectRequest {
  const [href = '', ...lines] = packed.split('\n');
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return { url: new URL(href), headers };
}
