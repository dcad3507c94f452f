/** Which requests come from this very machine, to a server that is there for this machine only. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isLoopback } from '../listen-address.ts';

/** What proxies and tunnels add: with one of them the sender is whoever they serve. */
const FORWARDING: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'x-envoy-external-address',
]);
/** Of `X-Forwarded-For`, `-Host`, `-Proto`, and whatever else a proxy may tell in this way. */
const FORWARDED = 'x-forwarded';

/** A host and a port, and nothing that a parser of URLs would skip. */
const HOST_HEADER = /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?$/i;

export interface LocalRequestsOptions {
  /** What the server listens on. */
  readonly host: string;
  /** Where one is configured, others are meant to come. */
  readonly publicUrl?: string | undefined;
}

export class LocalRequests {
  readonly #isForThisMachine: boolean;

  constructor({ host, publicUrl }: LocalRequestsOptions) {
    this.#isForThisMachine = publicUrl === undefined && isLoopback(host);
  }

  includes({ headers, socket }: IncomingMessage): boolean {
    if (!this.#isForThisMachine || !isLoopback(socket.remoteAddress ?? '')) return false;
    // Another name in `Host` is that of a site that has itself resolved to this machine (DNS rebinding).
    return isLoopback(hostOf(headers)) && !Object.keys(headers).some(isForwarding);
  }
}

function isForwarding(header: string): boolean {
  return header.startsWith(FORWARDED) || FORWARDING.has(header);
}

/** Empty where there is none. */
function hostOf({ host = '' }: IncomingHttpHeaders): string {
  const hostname = HOST_HEADER.test(host) ? URL.parse(`http://${host}`)?.hostname : undefined;
  return hostname?.replace(/^\[(.*)\]$/, '$1') ?? '';
}
