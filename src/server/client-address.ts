/** Whose request it is, by network address: what limits per address count by. */
import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [Address, number];

export class ClientAddresses {
  readonly #trusted: readonly Network[];

  /** @param trustedProxies CIDR blocks whose `X-Forwarded-For` is believed */
  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.map((block) => ipaddr.parseCIDR(block));
  }

  /**
   * The nearest address that is not a trusted proxy; an IPv6 address as its /64, since one customer has all of that.
   * Only text that is an address is ever returned from a header.
   */
  of(request: IncomingMessage): string {
    const hops = forwardedFor(request);
    let address = parse(request.socket.remoteAddress);
    while (address !== undefined && this.#isTrusted(address)) {
      const next = parse(hops.pop());
      if (next === undefined) break;
      address = next;
    }
    return address === undefined ? 'unknown' : counted(address);
  }

  #isTrusted(address: Address): boolean {
    return this.#trusted.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  }
}

function forwardedFor(request: IncomingMessage): string[] {
  const header = request.headers['x-forwarded-for'];
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return text.split(',').map((hop) => hop.trim());
}

function parse(text: string | undefined): Address | undefined {
  return text !== undefined && ipaddr.isValid(text) ? ipaddr.process(text) : undefined;
}

function counted(address: Address): string {
  if (address.kind() === 'ipv4') return address.toString();
  const network = address.toByteArray().fill(0, 8);
  return `${ipaddr.fromByteArray(network).toString()}/64`;
}
