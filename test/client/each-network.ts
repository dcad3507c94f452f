/** What the client promises, it promises whatever the network lets through: a test for each. */
import { test } from 'node:test';
import type { OpenedTransaction } from '../../src/client/index.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { startServer, type ServerOptions } from '../fixtures/server.ts';
import { HostileProxy } from './hostile-proxy.ts';

export const networks = ['WebSockets', 'long polling', 'HTTP alone'] as const;
export type Network = (typeof networks)[number];

export interface Surroundings {
  readonly network: Network;
  readonly backEnd: BackEnd;
  readonly proxy: HostileProxy;
  /** A transaction, with the address at which the page finds it. */
  open(options?: { ttlSeconds?: number }): Promise<OpenedTransaction & { readonly tokenId: string }>;
  /** What a transaction is in when it has caught up. */
  readonly up: 'open' | 'polling';
}

const BLOCKED: Record<Network, RegExp | undefined> = {
  WebSockets: undefined,
  'long polling': /^GET \/hub\?(?!.*&_=)/,
  'HTTP alone': /\/hub/,
};

export function eachNetwork(
  title: string,
  run: (surroundings: Surroundings) => Promise<void>,
  options: ServerOptions = {},
): void {
  for (const network of networks) test(`${title} (${network})`, () => onNetwork(network, run, options));
}

export async function onNetwork(
  network: Network,
  run: (surroundings: Surroundings) => Promise<void>,
  options: ServerOptions = {},
): Promise<void> {
  await using server = await startServer({ drainSeconds: 0, ...options });
  await using proxy = await HostileProxy.start(server.url);
  proxy.blocked = BLOCKED[network];
  const { backEnd } = server;
  await run({
    network,
    backEnd,
    proxy,
    up: network === 'HTTP alone' ? 'polling' : 'open',
    open: async (choice) => {
      const opened = await backEnd.open(choice);
      return { ...proxy.through(opened), tokenId: opened.tokenId };
    },
  });
}
