/**
 * One peer at one number of connections: a fresh server, browsers, then each load. The figures of one visit are one row of one
 * round.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Deployment, type Reading } from './deployment.ts';
import type { LoadResult } from './generator/commands.ts';
import type { Faults } from './generator/ledger.ts';
import { GeneratorProcess } from './generator-process.ts';
import type { Counts, Peer } from './peers/peer.ts';

const MOST_WARM_UPS = 5;

export interface Plan {
  readonly connections: readonly number[];
  /** Memory per connection is measured from this many to the largest number of them. */
  readonly memoryFrom: number;
  /** Rates of the open loads, messages a second. */
  readonly rates: readonly number[];
  readonly rounds: number;
  /** Of the closed load: messages under way at once. */
  readonly posters: number;
  /** Connects under way at once. */
  readonly connectsAtOnce: number;
  /** At full load, before anything is measured. */
  readonly warmUpMs: number;
  /** It is repeated, some times at most, until so many messages have come. */
  readonly warmUpMessages: number;
  /** Each open load runs this long before it is measured. */
  readonly warmUpRateMs: number;
  readonly measureMs: number;
  /** What the server is left alone for before its memory is read. */
  readonly settleMs: number;
  /** What has not come so long after a load is lost. */
  readonly graceMs: number;
}

/** One load, measured. */
export interface LoadFigures extends LoadResult {
  /** Messages that arrived, a second. */
  readonly rate: number;
  /** User and system time of the servers' processes, and of what they share, in microseconds. */
  readonly cpuPerMessage: number;
  /** Of what they share alone, if anything. */
  readonly sharedCpuPerMessage?: number;
  /** Of each server alone, where there are several. */
  readonly cpuPerMessageOfEach?: readonly number[];
  /** What that has counted meanwhile, for each message. */
  readonly countsPerMessage: Counts;
}

export interface Figures {
  readonly peer: string;
  readonly connections: number;
  readonly round: number;
  readonly connectsPerSecond: number;
  /** Share of the connecting that the generator was waiting. */
  readonly connectWaiting: number;
  /** Of the servers before anything connected. */
  readonly startRssBytes: number;
  /** From the plan's `memoryFrom` to this many; only of the largest. */
  readonly bytesPerConnection?: number;
  readonly max: LoadFigures;
  /** By rate. */
  readonly at: Readonly<Record<string, LoadFigures>>;
  readonly faults: Faults;
  /** Answers that browsers sent, and that the server knows of. */
  readonly answered: number;
  readonly counted: number;
}

export interface Visit {
  readonly peer: Peer;
  readonly connections: number;
  readonly round: number;
}

/**
 * @param say told what is going on
 * @throws Error when the server fails, or closes a connection
 */
export async function pay(visit: Visit, plan: Plan, say: (what: string) => void): Promise<Figures> {
  const { peer, connections, round } = visit;
  await using servers = await Deployment.start(peer);
  await using generator = await GeneratorProcess.start(servers, { dialect: peer.dialect, graceMs: plan.graceMs });
  await pause(plan.settleMs);
  const startRssBytes = (await servers.read()).servers.rssBytes;
  say(`connecting ${connections}`);
  const connecting = await connect({ servers, generator }, connections, plan);
  await warmUp(generator, plan);
  say('full load');
  const max = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs });
  const at: Record<string, LoadFigures> = {};
  for (const rate of plan.rates) {
    say(`${rate}/s`);
    await generator.load({ posters: plan.posters, ms: plan.warmUpRateMs, rate });
    at[rate] = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs, rate });
  }
  return { peer: peer.name, connections, round, startRssBytes, ...connecting, max, at, ...(await generator.count()) };
}

/** A compiler that works as it learns needs messages, not seconds. */
export async function warmUp(generator: GeneratorProcess, plan: Plan): Promise<void> {
  let messages = 0;
  for (let times = 0; times === 0 || (messages < plan.warmUpMessages && times < MOST_WARM_UPS); times++) {
    messages += (await generator.load({ posters: plan.posters, ms: plan.warmUpMs })).arrived;
  }
}

interface Both {
  readonly servers: Deployment;
  readonly generator: GeneratorProcess;
}

type Connecting = Pick<Figures, 'connectsPerSecond' | 'connectWaiting' | 'bytesPerConnection'>;

/** The first of them, which warm the server up, are not measured. */
async function connect({ servers, generator }: Both, connections: number, plan: Plan): Promise<Connecting> {
  const { memoryFrom } = plan;
  const first = memoryFrom < connections ? memoryFrom : Math.ceil(connections / 5);
  await generator.connect(first, plan.connectsAtOnce);
  await pause(plan.settleMs);
  const before = (await servers.read()).servers.rssBytes;
  const { ms, waiting } = await generator.connect(connections - first, plan.connectsAtOnce);
  await pause(plan.settleMs);
  const rates = { connectsPerSecond: ((connections - first) / ms) * 1000, connectWaiting: waiting };
  if (first !== memoryFrom || connections !== Math.max(...plan.connections)) return rates;
  return { ...rates, bytesPerConnection: ((await servers.read()).servers.rssBytes - before) / (connections - first) };
}

export async function measure(
  { servers, generator }: Both,
  load: { readonly posters: number; readonly ms: number; readonly rate?: number },
): Promise<LoadFigures> {
  const before = await servers.read();
  const result = await generator.load(load);
  return { ...result, rate: (result.messages / result.ms) * 1000, ...costs(before, await servers.read(), result.arrived) };
}

type Costs = Pick<LoadFigures, 'cpuPerMessage' | 'cpuPerMessageOfEach' | 'sharedCpuPerMessage' | 'countsPerMessage'>;

function costs(before: Reading, after: Reading, messages: number): Costs {
  const own = (after.servers.cpuUs - before.servers.cpuUs) / messages;
  const shared = ((after.shared?.cpuUs ?? 0) - (before.shared?.cpuUs ?? 0)) / messages;
  const each = after.cpuUsOfEach.map((cpuUs, index) => (cpuUs - (before.cpuUsOfEach[index] ?? 0)) / messages);
  return {
    cpuPerMessage: own + shared,
    ...(after.shared === undefined ? {} : { sharedCpuPerMessage: shared }),
    ...(each.length > 1 ? { cpuPerMessageOfEach: each } : {}),
    countsPerMessage: shareOf(before.counts, after.counts, messages),
  };
}

function shareOf(before: Counts, after: Counts, messages: number): Counts {
  const share = (name: keyof Counts): Counts => {
    const [first, last] = [before[name], after[name]];
    return first === undefined || last === undefined ? {} : { [name]: (last - first) / messages };
  };
  return { ...share('commits'), ...share('logBytes'), ...share('commands') };
}
