/** `--signalr`: each scenario on each hub, once a round, in rotating order; a fresh server each time. */
import { PeerMissing } from '../peers/peer.ts';
import { usageOf } from '../process-tree.ts';
import { ServerProcess } from '../server-process.ts';
import { Bystanders } from './bystanders.ts';
import type { LoadResult } from './commands.ts';
import { CallGenerator } from './generator-process.ts';
import type { RunnableHub } from './peers.ts';
import type { HubPeer, Scenario } from './scenarios.ts';

export interface CallFigures extends LoadResult {
  readonly peer: string;
  readonly scenario: string;
  readonly round: number;
  /** Arrivals a second. */
  readonly rate: number;
  /** User and system time of the server, in microseconds. */
  readonly cpuPerArrival: number;
  /** Resident memory of the server afterwards. */
  readonly rssBytes: number;
}

export interface CallRun {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Pick<HubPeer, 'name' | 'title'>[];
  readonly missing: readonly { readonly peer: string; readonly why: string }[];
  readonly figures: readonly CallFigures[];
}

export interface CallPlan {
  readonly rounds: number;
  readonly connectsAtOnce: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly graceMs: number;
}

/** @param say told what is going on, a line at a time @throws Error when a server fails, or closes a connection */
export async function measureCalls(
  { peers: all, scenarios, say }: { peers: readonly RunnableHub[]; scenarios: readonly Scenario[]; say: (line: string) => void },
  plan: CallPlan,
): Promise<CallRun> {
  const peers: RunnableHub[] = [];
  const missing: { peer: string; why: string }[] = [];
  for (const peer of all) {
    try {
      await peer.prepare();
      peers.push(peer);
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      missing.push({ peer: peer.name, why: error.message });
      say(`SKIPPED ${peer.name}: ${error.message}`);
    }
  }
  const figures: CallFigures[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const scenario of scenarios) {
      const turn = peers.map((_, index) => peers[(index + round) % peers.length]).filter((peer) => peer !== undefined);
      for (const peer of turn.filter((each) => speechOf(each, scenario) !== undefined)) {
        const row = await measureOne({ peer, scenario, round }, plan);
        figures.push(row);
        say(`round ${round + 1}, ${scenario.name}, ${peer.name}: ${Math.round(row.rate)}/s, p99 ${row.p99.toFixed(2)} ms`);
      }
    }
  }
  return { scenarios, peers: peers.map(({ name, title }) => ({ name, title })), missing, figures };
}

/** Absent: the scenario is not for this peer. */
function speechOf({ speech, binarySpeech }: HubPeer, { isBinary, beside }: Scenario): HubPeer['speech'] | undefined {
  if (beside !== undefined && speech !== 'json') return undefined;
  return isBinary === true ? binarySpeech : speech;
}

async function measureOne(
  { peer, scenario, round }: { peer: RunnableHub; scenario: Scenario; round: number },
  { connectsAtOnce, warmUpMs, measureMs, graceMs }: CallPlan,
): Promise<CallFigures> {
  const { method, connections, callers, beside } = scenario;
  await using server = await ServerProcess.start(await peer.program());
  await using generator = new CallGenerator();
  const speech = speechOf(peer, scenario) ?? peer.speech;
  await generator.connect({ port: server.port, speech, connections, atOnce: connectsAtOnce });
  using _bystanders = beside && (await Bystanders.of(beside, server.port));
  const warmUp = await generator.load({ method, callers, ms: warmUpMs, graceMs });
  const before = usageOf(server.pid);
  const result = await generator.load({ method, callers, ms: measureMs, graceMs });
  const { cpuUs, rssBytes } = usageOf(server.pid);
  return {
    peer: peer.name,
    scenario: scenario.name,
    round,
    ...result,
    lost: warmUp.lost + result.lost,
    astray: warmUp.astray + result.astray,
    rate: (result.arrivals / result.ms) * 1000,
    cpuPerArrival: (cpuUs - before.cpuUs) / result.arrivals,
    rssBytes,
  };
}
