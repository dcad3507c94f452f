/** What goes wrong, and when: the same for the same seed. Knows nothing of how it is done. */
import { seeded } from '../fixtures/seeded.ts';

/** Of the process of an instance; one that is at another has no time for it. */
export const processFaults = ['kill', 'stop', 'freeze'] as const;
/** Of the way between an instance and the database. */
export const databaseFaults = ['cut', 'refuse', 'stall', 'mute', 'dropped', 'doubled', 'delayed'] as const;
/** Of what all share. */
export const commonFaults = ['crash', 'pages'] as const;

export type FaultKind = (typeof processFaults)[number] | (typeof databaseFaults)[number] | (typeof commonFaults)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** The number of the instance that it befalls; of no meaning where it befalls all. */
  readonly instance: number;
  /** From the beginning of the run; see {@link PlanOptions.ms}. */
  readonly atMs: number;
  /** How long it lasts; 0 where it is over at once. */
  readonly forMs: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly instances: number;
  /** Who runs the plan says of which time. */
  readonly ms: number;
  /** Between one and the next, on average. */
  readonly everyMs: number;
  /** Makes all of them this much shorter. Default: 1. */
  readonly haste?: number;
}

/** Shortest and longest. */
const SPANS: Readonly<Record<FaultKind, readonly [number, number]>> = {
  kill: [100, 5_000],
  stop: [0, 1_000],
  freeze: [500, 20_000],
  cut: [0, 0],
  refuse: [500, 8_000],
  stall: [200, 12_000],
  mute: [50, 2_000],
  dropped: [5_000, 30_000],
  doubled: [2_000, 10_000],
  delayed: [5_000, 20_000],
  crash: [0, 6_000],
  pages: [0, 0],
};

/** What matters most comes most often. */
const DECK: readonly FaultKind[] = [
  ...(['kill', 'kill', 'kill', 'stop', 'freeze'] as const),
  ...(['cut', 'cut', 'mute', 'mute', 'stall', 'refuse', 'dropped', 'doubled', 'delayed'] as const),
  ...(['crash', 'pages'] as const),
];

/** In the order of their time. Every kind comes once before any comes again as often as it may. */
export function planOf({ seed, instances, ms, everyMs, haste = 1 }: PlanOptions): readonly Fault[] {
  const random = seeded(seed);
  const plan: Fault[] = [];
  let deck: FaultKind[] = [];
  for (let atMs = random() * everyMs; atMs < ms; atMs += everyMs * (0.5 + random())) {
    if (deck.length === 0) deck = shuffled(DECK, random);
    const kind = deck.pop() ?? 'cut';
    const [least, most] = SPANS[kind];
    // Short ones are as likely as long ones are long.
    const forMs = least + (most - least) * random() ** 2;
    plan.push({ kind, instance: Math.floor(random() * instances), atMs: Math.round(atMs), forMs: Math.round(forMs / haste) });
  }
  return plan;
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item): readonly [number, Item] => [random(), item])
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}
