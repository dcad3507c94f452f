/**
 * What the endpoint reads out of a request before it does anything with it; and the little that is kept of a connect request
 * while its connection idles: one string, taken apart at need.
 */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
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

export type Route = 'negotiate' | 'refresh' | 'base';

/** @param path what follows the endpoint's base; case does not matter. Undefined: nothing of the endpoint's */
export function routeOf(path: string): Route | undefined {
  switch (path.toLowerCase().replace(/\/$/, '')) {
    case '':
      return 'base';
    case '/negotiate':
      return 'negotiate';
    case '/refresh':
      return 'refresh';
    default:
      return undefined;
  }
}

/** Undefined when the request target is no URL. */
export function urlOf(incoming: IncomingMessage): URL | undefined {
  const scheme = incoming.socket instanceof TLSSocket ? 'https' : 'http';
  const target = incoming.url ?? '/';
  return (
    URL.parse(target, `${scheme}://${hostOf(incoming) ?? 'localhost'}`) ?? URL.parse(target, `${scheme}://localhost`) ?? undefined
  );
}

/** HTTP/2 has it in a pseudo header. */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const authority = headers[':authority'];
  return headers.host ?? (typeof authority === 'string' ? authority : undefined);
}

/** All values of a query member; its name matches without regard to case. */
export function queryValues(url: URL, name: string): string[] {
  const values: string[] = [];
  for (const [key, value] of url.searchParams) if (key.toLowerCase() === name) values.push(value);
  return values;
}

export function acceptsEventStream(incoming: IncomingMessage): boolean {
  return lists(incoming.headers.accept, 'text/event-stream');
}

/** Anything short of it is not an upgrade to us: a GET that asks for something else is a poll, or wants events. */
export function isWebSocketUpgrade(incoming: IncomingMessage): boolean {
  const { method, headers } = incoming;
  return (
    method === 'GET' &&
    lists(headers.upgrade, 'websocket') &&
    lists(headers['sec-websocket-version'], '13') &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '') &&
    !acceptsEventStream(incoming) &&
    !hasBody(incoming)
  );
}

/** Whether it is one of the values, without parameters. */
function lists(header: string | undefined, wanted: string): boolean {
  return header?.split(',').some((value) => value.trim().toLowerCase() === wanted) === true;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The address without its secrets, and a line for each header that is kept. */
export function packRequest(incoming: IncomingMessage, url: URL): string {
  let packed = url.origin + url.pathname + withoutSecrets(url.search);
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value === undefined || dropped.has(name) || name.startsWith('sec-websocket-') || name.startsWith(':')) continue;
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
