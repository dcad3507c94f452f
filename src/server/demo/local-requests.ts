/** Which requests come from this very machine, to a server that is there for this machine only. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

/** What proxies and tunnels add: with one of them the sender is whoever they serve. */
const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const;

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
    if (!this.#isForThisMachine || !isLoopback(socket.remoteAddress)) return false;
    // Another name in `Host` is that of a site that has itself resolved to this machine (DNS rebinding).
    return isLoopback(hostOf(headers)) && FORWARDING.every((name) => headers[name] === undefined);
  }
}

function hostOf({ host = '' }: IncomingHttpHeaders): string | undefined {
  return URL.parse(`http://${host}`)?.hostname.replace(/^\[(.*)\]$/, '$1');
}

function isLoopback(host: string | undefined): boolean {
  if (host === undefined) return false;
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}
