/** What `--signalr` measures of a hub. */
import type { BystanderKind } from './bystanders.ts';
import type { SpeechName } from './speech.ts';

export interface Scenario {
  readonly name: string;
  /** `Echo`: each caller gets its own text back. `Broadcast`: everybody gets it. `Tell`: one user does, chosen at random. */
  readonly method: 'Echo' | 'Broadcast' | 'Tell';
  /** Speaks the peer's MessagePack, where it has that. */
  readonly isBinary?: boolean;
  readonly connections: number;
  /** Of the connections, those that call: each calls again when its last text has arrived wherever it should. */
  readonly callers: number;
  /** Who else is there, of no use; only for peers that speak SignalR. */
  readonly beside?: { readonly kind: BystanderKind; readonly count: number };
}

const echo = { method: 'Echo', connections: 100, callers: 100 } as const;

export const scenarios: readonly Scenario[] = [
  { name: 'echo', ...echo },
  { name: 'echo, MessagePack', ...echo, isBinary: true },
  { name: 'broadcast to 1,000', method: 'Broadcast', connections: 1000, callers: 1 },
  { name: 'to one user of 10,000', method: 'Tell', connections: 10_000, callers: 64 },
  { name: 'echo beside clients that never shake hands', ...echo, beside: { kind: 'silent', count: 2_000 } },
  { name: 'echo beside negotiations that nobody comes back for', ...echo, beside: { kind: 'abandoned', count: 10_000 } },
  { name: 'echo beside clients that call and never read', ...echo, beside: { kind: 'greedy', count: 100 } },
];

/** With a tenth of the clients. */
export function small(all: readonly Scenario[]): readonly Scenario[] {
  return all.map(({ beside, ...scenario }) => {
    const connections = Math.ceil(scenario.connections / 10);
    const name = `${scenario.name}; ${connections} clients only`;
    const few = { ...scenario, name, connections, callers: Math.min(scenario.callers, connections) };
    return beside === undefined ? few : { ...few, beside: { ...beside, count: Math.ceil(beside.count / 10) } };
  });
}

/** A hub that can be measured. */
export interface HubPeer {
  readonly name: string;
  readonly title: string;
  readonly speech: SpeechName;
  /** For the scenarios that are binary; absent: it has none. */
  readonly binarySpeech?: SpeechName;
}
