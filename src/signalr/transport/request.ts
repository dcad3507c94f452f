/**
 * What the endpoint reads out of a request before it does anything with it.
 */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

export type Route = 'negotiate' | 'base' | undefined;

/** @param path what follows the endpoint's base; case does not matter */
export function routeOf(path: string): Route {
  if (path === '' || path === '/') return 'base';
  return /^\/negotiate\/?$/i.test(path) ? 'negotiate' : undefined;
}

/** Undefined when the request target is no URL. */
export function urlOf(incoming: IncomingMessage): URL | undefined {
  const scheme = incoming.socket instanceof TLSSocket ? 'https' : 'http';
  const target = incoming.url ?? '/';
  return (
    URL.parse(target, `${scheme}://${incoming.headers.host ?? 'localhost'}`) ??
    URL.parse(target, `${scheme}://localhost`) ??
    undefined
  );
}

/** All values of a query member; its name matches without regard to case. */
export function queryValues(url: URL, name: string): string[] {
  const values: string[] = [];
  for (const [key, value] of url.searchParams) if (key.toLowerCase() === name) values.push(value);
  return values;
}

export function acceptsEventStream(incoming: IncomingMessage): boolean {
  const accepted = (incoming.headers.accept ?? '').split(',');
  return accepted.some((range) => range.split(';', 1)[0]?.trim().toLowerCase() === 'text/event-stream');
}

/** Anything short of it is not an upgrade to us: a GET that asks for something else is a poll. */
export function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')
  );
}
