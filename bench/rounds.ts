/**
 * One run: every peer at every number of connections, once a round, in rotating order, so that no peer has the machine's good
 * minutes.
 */
import { PeerMissing, type Peer } from './peers/peer.ts';
import { pay, type Figures, type Plan } from './visit.ts';

export interface Run {
  readonly figures: readonly Figures[];
  readonly peers: readonly Pick<Peer, 'name' | 'title'>[];
  /** Peers that this machine cannot run, and why. */
  readonly missing: readonly { readonly peer: string; readonly why: string }[];
}

/** @param say told what is going on, a line at a time */
export async function runRounds(all: readonly Peer[], plan: Plan, say: (line: string) => void): Promise<Run> {
  const { peers, missing } = await prepare(all, say);
  const figures: Figures[] = [];
  const total = plan.rounds * plan.connections.length * peers.length;
  for (let round = 0; round < plan.rounds; round++) {
    for (const connections of plan.connections) {
      for (const peer of rotated(peers, round)) {
        const place = `[${figures.length + 1}/${total}] round ${round + 1}, ${connections} connections, ${peer.name}`;
        const row = await pay({ peer, connections, round }, plan, (what) => say(`${place}: ${what}`));
        figures.push(row);
        say(`${place}: ${Math.round(row.max.rate)}/s, ${row.max.cpuPerMessage.toFixed(1)} µs CPU a message`);
      }
    }
  }
  return { figures, peers: peers.map(({ name, title }) => ({ name, title })), missing };
}

async function prepare(
  all: readonly Peer[],
  say: (line: string) => void,
): Promise<{ readonly peers: Peer[]; readonly missing: { peer: string; why: string }[] }> {
  const peers: Peer[] = [];
  const missing: { peer: string; why: string }[] = [];
  for (const peer of all) {
    say(`preparing ${peer.name}`);
    try {
      await peer.prepare?.();
      peers.push(peer);
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      missing.push({ peer: peer.name, why: error.message });
      say(`SKIPPED ${peer.name}: ${error.message}`);
    }
  }
  return { peers, missing };
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, index) => list[(index + by) % list.length]).filter((item) => item !== undefined);
}
