/** Where a server listens, and under which addresses its own pages are then found. Knows nothing of requests. */
import ipaddr from 'ipaddr.js';

export interface ListenAddress {
  /** An address or a name; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Default: `http`. */
  readonly scheme?: 'http' | 'https';
}

/** Every address by which only this machine can be reached, and `localhost`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || rangeOf(host) === 'loopback';
}

/** As a URL has it, with brackets around IPv6. */
export function urlOf({ host, port, scheme = 'http' }: ListenAddress): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Listening on every address is no address to call; `::` listens on those of IPv4 as well. */
export function connectableUrlOf(address: ListenAddress): string {
  return urlOf(isWildcard(address.host) ? { ...address, host: '127.0.0.1' } : address);
}

/**
 * The origins of the pages that this server itself serves, as browsers write them: under the names of this machine, and
 * under the very address that it listens on. What else leads here nobody can know.
 */
export function ownOriginsOf(address: ListenAddress): readonly string[] {
  const { host } = address;
  const hosts = ['127.0.0.1', 'localhost'];
  if (isLoopback(host) || isWildcard(host)) hosts.push('::1');
  if (!isWildcard(host)) hosts.push(host);
  // No URL of a browser has the zone of a link-local address.
  const urls = hosts.map((each) => urlOf({ ...address, host: each })).filter((url) => URL.canParse(url));
  return [...new Set(urls.map((url) => new URL(url).origin))];
}

/** Listens on every address, and is none to call. */
export function isWildcard(host: string): boolean {
  return rangeOf(host) === 'unspecified';
}

/** @returns undefined for a name */
function rangeOf(host: string): string | undefined {
  return ipaddr.isValid(host) ? ipaddr.process(host).range() : undefined;
}
