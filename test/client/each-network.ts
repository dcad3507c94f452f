/**
 * What the client promises, it promises whatever the network lets through, in every arrangement: a test for each. By default a test
 * is tried with each network in the first arrangement, and with one, in turn, in the others; `RINGBACK_LONG=1` for every pair.
 */
import { test } from 'node:test';
import type { StartOptions } from '../arrangements/arrangement.ts';
import { arrangements, shared } from '../arrangements/each-arrangement.ts';
import type { OpenedTransaction } from '../../src/client/index.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { isLong } from '../fixtures/long.ts';
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

export type Run = (surroundings: Surroundings) => Promise<void>;

const BLOCKED: Record<Network, RegExp | undefined> = {
  WebSockets: undefined,
  'long polling': /^GET \/hub\?(?!.*&_=)/,
  'HTTP alone': /\/hub/,
};

const QUICK: StartOptions = { drainSeconds: 0 };

/** Tests registered so far: whose turn it is. */
let turn = 0;

const places = arrangements.map((arrangement) => ({ ...arrangement, running: shared(() => arrangement.start(QUICK)) }));

/** @param options of servers that this test has for itself; without any it shares them with the other tests of its file */
export function eachNetwork(title: string, run: Run, options?: StartOptions): void {
  const chosen = networks[turn++ % networks.length];
  for (const network of networks) {
    const among = isLong || network === chosen ? places : places.slice(0, 1);
    onNetwork(network, title, { run, options, among });
  }
}

/** A test for which the network does not matter, or only this one does. */
export function overWebSockets(title: string, run: Run, options?: StartOptions): void {
  onNetwork('WebSockets', title, { run, options, among: places });
}

export function overHttpAlone(title: string, run: Run): void {
  onNetwork('HTTP alone', title, { run, options: undefined, among: places });
}

interface Registered {
  readonly run: Run;
  readonly options: StartOptions | undefined;
  readonly among: typeof places;
}

function onNetwork(network: Network, title: string, { run, options, among }: Registered): void {
  for (const { name, skip, start, running } of among) {
    test(`${title} (${network}, ${name})`, { skip }, async () => {
      if (options === undefined) return play(network, run, await running());
      await using own = await start({ ...QUICK, ...options });
      await play(network, run, own);
    });
  }
}

async function play(
  network: Network,
  run: Run,
  { url, backEnd }: { readonly url: string; readonly backEnd: BackEnd },
): Promise<void> {
  await using proxy = await HostileProxy.start(url);
  proxy.blocked = BLOCKED[network];
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
