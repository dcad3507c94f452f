/** Hosts, origins, networks and URLs as people write them, read strictly and made uniform. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { shown } from './configuration-error.ts';
import { unexpected } from './option.ts';
import type { Reading } from './option.ts';

export const HOST_FORM = 'an IP address or a host name';
export const ORIGIN_FORM = 'an origin like https://shop.example';
export const NETWORK_FORM = 'a network like 10.0.0.0/8 or an address';
export const PUBLIC_URL_FORM = 'an http or https URL like https://shop.example';

/** An address to listen on; IPv6 with or without brackets, returned without. */
export function readHost(text: string): Reading<string> {
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const isName =
    /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host) && !/^[\d.]+$/.test(host);
  return isIP(host) > 0 || (isName && host === text) ? { value: host } : unexpected(text, HOST_FORM);
}

/** The origin as a browser sends it in its `Origin` header: lower case, Punycode, without the scheme's own port. */
export function readOrigin(text: string): Reading<string> {
  if (text === '*') return { problem: 'refused *, since any site could then act for its visitors; expected each origin by name' };
  if (text.includes('*')) return { problem: `refused ${shown(text)}: origins are compared exactly; expected each one by name` };
  if (text === 'null') return { problem: 'refused null, which every sandboxed page sends; expected each origin by name' };
  const origin = originOf(text);
  if (origin === undefined) return unexpected(text, ORIGIN_FORM);
  if (/^[^:]+:\/\/[^/?#@\\\s]+$/.test(text)) return { value: origin };
  return { problem: `expected an origin, without path, query or user; did you mean ${origin}?` };
}

function originOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.host === '' || !/^[^:]+:\/\//.test(text)) return undefined;
  // Apps in a web view have schemes of their own (capacitor://localhost), for which URL knows no origin.
  return url.origin === 'null' ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
}

/** A network in CIDR notation; a single address is a network of one. */
export function readNetwork(text: string): Reading<string> {
  const [address = '', ...rest] = text.split('/');
  if (isIP(address) === 0 || address.includes('%')) return unexpected(text, NETWORK_FORM);
  if (rest.length === 0) return { value: `${address}/${isIP(address) === 4 ? 32 : 128}` };
  return ipaddr.isValidCIDR(text) ? { value: text } : unexpected(text, NETWORK_FORM);
}

/** The URL under which browsers and providers reach the server, without a slash at its end. */
export function readPublicUrl(text: string): Reading<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:\/\//i.test(text)) return unexpected(text, PUBLIC_URL_FORM);
  if (url.username !== '' || url.password !== '') return { problem: `expected ${PUBLIC_URL_FORM}, without user and password` };
  if (text.includes('?') || text.includes('#')) return { problem: `expected ${PUBLIC_URL_FORM}, without query and fragment` };
  return { value: url.href.replace(/\/+$/, '') };
}
