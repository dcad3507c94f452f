/** The options of `npm run bench`, and the plan that they make. */
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { aspnetPeer } from './peers/aspnet.ts';
import { CLUSTER, clusterPeers, NODES } from './peers/cluster.ts';
import type { Peer } from './peers/peer.ts';
import { ringbackPeer } from './peers/ringback.ts';
import { socketIoPeer } from './peers/socket-io.ts';
import { wsPeer } from './peers/ws.ts';
import { aspnetHub, ringbackHub, type RunnableHub, socketIoHub } from './signalr/peers.ts';
import { type Scenario, scenarios, small } from './signalr/scenarios.ts';
import type { Plan } from './visit.ts';

export interface BenchOptions {
  readonly plan: Plan;
  readonly peers: readonly Peer[];
  /** Folder for what a run leaves. */
  readonly out: string;
  /** Of its files. */
  readonly name: 'results' | 'cluster';
  /** Instead of a run: where the time of this peer goes. */
  readonly profile?: Peer;
  /** Instead of a run: prints the tables of an earlier one, from this file. */
  readonly markdown?: string;
  /** Instead of a run: single functions. */
  readonly micro?: boolean;
  /** Instead of a run: messages a thousand to a request, into this peer. */
  readonly batch?: Peer;
  /** Instead of a run: the SQLite store with so many transactions in its file, and ten messages for each. */
  readonly scale?: number;
  /** Instead of a run: what instances and so many idle pages cost. */
  readonly nodes?: { readonly pages: number; readonly peers: readonly Peer[] };
  /** Instead of a run: calls on hubs. */
  readonly signalr?: { readonly peers: readonly RunnableHub[]; readonly scenarios: readonly Scenario[] };
  /** Instead of a run: Ringback at half load for so many minutes, with pages coming and going. */
  readonly steady?: { readonly peer: Peer; readonly minutes: number; readonly churn: number };
}

/** @param checkout of Ringback; undefined: this one */
function peersFor(checkout?: string): readonly Peer[] {
  const options = checkout === undefined ? {} : { checkout };
  return [ringbackPeer(options), wsPeer, socketIoPeer, aspnetPeer, ...clusterPeers(options)];
}

const HERE = fileURLToPath(new URL('..', import.meta.url));

const NAMES = peersFor().map(({ name }) => name);
/** Of a run that says nothing else. */
const USUAL = NAMES.slice(0, 4);

const full: Plan = {
  connections: [1000, 10_000],
  memoryFrom: 1000,
  rates: [2000, 5000],
  rounds: 3,
  posters: 64,
  connectsAtOnce: 64,
  warmUpMs: 3000,
  warmUpMessages: 50_000,
  warmUpRateMs: 1000,
  measureMs: 5000,
  settleMs: 1500,
  graceMs: 10_000,
};

/** Some six minutes: PostgreSQL waits for a real disk, and shares the processors with everybody else. */
const cluster: Plan = {
  ...full,
  connections: [500],
  memoryFrom: 100,
  rates: [200, 500],
  warmUpMs: 2000,
  warmUpMessages: 3000,
  measureMs: 3000,
  settleMs: 700,
};

/** A process may have 20,000 files open on many systems. */
const SCALE: readonly number[] = [1000, 5000, 10_000, 19_000];
const CHURN = 50;
const TRANSACTIONS = 1_000_000;
const PAGES = 5000;

/** Under a minute: what to look at while one works on something. */
const quick: Plan = {
  ...full,
  connections: [1000],
  memoryFrom: 200,
  rounds: 1,
  warmUpMs: 1500,
  warmUpMessages: 10_000,
  warmUpRateMs: 300,
  measureMs: 1000,
  settleMs: 300,
};

/** Says what is wrong, and ends the process, when it cannot be read. */
export function readOptions(args: readonly string[]): BenchOptions {
  const command = new Command('npm run bench --')
    .description('Measures Ringback beside its peers.')
    .option('--quick', 'under a minute; fewer connections, one round')
    .option('--peers <names>', `some of ${NAMES.join(',')}`, names)
    .option('--ringback <checkout>', 'the checkout of Ringback to measure (default: this one)')
    .option('--against <checkout>', 'another checkout of Ringback, as one more peer; repeatable', append)
    .option('--variant <name=arguments>', 'Ringback with these arguments too, such as lean=--lean; repeatable', append)
    .option('--connections <numbers>', 'numbers of connections, ascending', numbers)
    .option('--rates <numbers>', 'rates of the open loads, messages a second; 0 for none', numbers)
    .option('--rounds <number>', 'rounds', number)
    .option('--seconds <number>', 'length of each measurement', number)
    .option('--warm-up <number>', 'seconds of full load before', number)
    .option('--profile [peer]', 'instead: CPU profiles and flame graphs of a peer on Node at full load (default: ringback)')
    .option('--steady <minutes>', 'instead: Ringback at half of its full load, memory and pauses sampled', number)
    .option('--churn <number>', 'pages that come, and go, a second in a steady run', number)
    .option('--markdown <results.json>', 'instead: print the tables of an earlier run')
    .option('--micro', 'instead: the functions that each message goes through, one by one')
    .option('--batch', 'instead: how many messages a second Ringback stores when they come a thousand to a request')
    .option(
      '--scale [transactions]',
      'instead: the SQLite store with this many in its file (default: 1,000,000), ten messages each',
      number,
    )
    .option('--cluster', 'Ringback on PostgreSQL beside Socket.IO on Redis, with one instance and with two')
    .option('--nodes [pages]', 'instead: what instances on PostgreSQL cost, with so many idle pages (default: 5,000)', number)
    .option('--signalr', 'instead: calls on a hub of ringback/signalr, beside Socket.IO and ASP.NET Core')
    .option('--scale-connections', 'Ringback alone with 1,000, 5,000, 10,000 and 19,000 connections')
    .option('--out <folder>', 'where the results go', 'bench/results')
    .parse([...args], { from: 'user' });
  const values = command.opts<Values>();
  const { out, profile, steady, churn, micro, markdown, scale, batch, nodes } = values;
  const name = values.cluster === true ? 'cluster' : 'results';
  const options = { plan: planOf(values), peers: peersOf(values), out: resolve(out), name } as const;
  if (markdown !== undefined) return { ...options, markdown };
  if (micro === true) return { ...options, micro };
  if (scale !== undefined) return { ...options, scale: scale === true ? TRANSACTIONS : scale };
  if (nodes !== undefined) return { ...options, nodes: nodesOf(nodes, values) };
  if (values.signalr === true) return { ...options, signalr: signalrOf(values) };
  const ringback = named('ringback', values.ringback);
  if (batch === true) return { ...options, batch: ringback };
  if (steady !== undefined) return { ...options, steady: { peer: ringback, minutes: steady, churn: churn ?? CHURN } };
  if (profile === undefined) return options;
  return { ...options, profile: profile === true ? ringback : named(profile, values.ringback) };
}

function nodesOf(pages: number | true, { peers = NODES, ringback }: Values): NonNullable<BenchOptions['nodes']> {
  return { pages: pages === true ? PAGES : pages, peers: peers.map((name) => named(name, ringback)) };
}

/** In a quick run with a tenth of the connections, and without ASP.NET, whose warm-up alone would take its time. */
function signalrOf({ quick: isQuick, ringback, against = [] }: Values): NonNullable<BenchOptions['signalr']> {
  const others = against.map((checkout) => ringbackHub(resolve(checkout), basename(resolve(checkout))));
  const peers = [ringbackHub(resolve(ringback ?? HERE)), ...others, socketIoHub];
  if (isQuick === true) return { peers, scenarios: small(scenarios) };
  return { peers: [...peers, aspnetHub], scenarios };
}

/** As the parsers below leave them. */
interface Values {
  readonly quick?: boolean;
  readonly peers?: readonly string[];
  readonly ringback?: string;
  readonly against?: readonly string[];
  readonly variant?: readonly string[];
  readonly connections?: readonly number[];
  readonly rates?: readonly number[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly profile?: string | true;
  readonly steady?: number;
  readonly micro?: boolean;
  readonly markdown?: string;
  readonly churn?: number;
  readonly batch?: boolean;
  readonly scale?: number | true;
  readonly scaleConnections?: boolean;
  readonly cluster?: boolean;
  readonly nodes?: number | true;
  readonly signalr?: true;
  readonly out: string;
}

function planOf(values: Values): Plan {
  const { connections, rates, rounds, seconds, warmUp, scaleConnections } = values;
  const usual = usualPlan(values);
  const base = scaleConnections === true ? { ...usual, connections: SCALE } : usual;
  return {
    ...base,
    connections: connections ?? base.connections,
    memoryFrom: connections?.[0] ?? base.memoryFrom,
    rates: (rates ?? base.rates).filter((rate) => rate > 0),
    rounds: rounds ?? base.rounds,
    measureMs: seconds === undefined ? base.measureMs : seconds * 1000,
    warmUpMs: warmUp === undefined ? base.warmUpMs : warmUp * 1000,
  };
}

function usualPlan({ quick: isQuick, cluster: isCluster, nodes }: Values): Plan {
  if (isCluster !== true && nodes === undefined) return isQuick === true ? quick : full;
  return isQuick === true ? { ...cluster, connections: [200], memoryFrom: 50, rounds: 1, measureMs: 1000 } : cluster;
}

function peersOf(values: Values): Peer[] {
  const { ringback, against = [], variant = [] } = values;
  const chosen = values.peers ?? usualPeers(values);
  const checkout = ringback === undefined ? {} : { checkout: ringback };
  return [
    ...chosen.map((name) => named(name, ringback)),
    ...variant.map((text) => {
      const [name = '', ...args] = splitVariant(text);
      return ringbackPeer({ ...checkout, variant: name, args: args.filter((arg) => arg !== '') });
    }),
    ...against.flatMap((checkout) => {
      const options = { variant: basename(resolve(checkout)), checkout };
      if (values.cluster !== true) return ringbackPeer(options);
      return clusterPeers(options).filter(({ name }) => chosen.some((each) => `${each} ${options.variant}` === name));
    }),
  ];
}

function usualPeers({ quick: isQuick, scaleConnections, cluster: isCluster }: Values): readonly string[] {
  if (isCluster === true) return CLUSTER;
  if (scaleConnections === true) return ['ringback'];
  // The warm-up of ASP.NET alone would take what a quick run may.
  return isQuick === true ? USUAL.filter((name) => name !== aspnetPeer.name) : USUAL;
}

/** `lean=--lean --port 0` → `lean`, `--lean`, `--port`, `0`. */
function splitVariant(text: string): string[] {
  const at = text.indexOf('=');
  return at === -1 ? [text] : [text.slice(0, at), ...text.slice(at + 1).split(' ')];
}

function named(name: string, checkout?: string): Peer {
  const peer = peersFor(checkout).find((each) => each.name === name);
  if (peer === undefined) throw new InvalidArgumentError(`expected ${NAMES.join(', ')}, got ${name}`);
  return peer;
}

function names(text: string): string[] {
  const list = text.split(',');
  for (const name of list) named(name);
  return list;
}

function append(path: string, before: readonly string[] = []): string[] {
  return [...before, path];
}

function number(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError('expected a number');
  return value;
}

function numbers(text: string): number[] {
  return text.split(',').map(number);
}
