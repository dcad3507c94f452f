/** One run: visits that come and go while everything goes wrong as planned, then calm, and the history of it all. */
import { setTimeout } from 'node:timers/promises';
import { seeded } from '../fixtures/seeded.ts';
import { fire } from '../client/window.ts';
import { emptyHistory, type History } from './history.ts';
import { planOf, type Fault, type FaultKind } from './plan.ts';
import { Requests } from './requests.ts';
import { Visit, type Surroundings } from './visit.ts';
import { World } from './world.ts';

const FORGET_EVERY_MS = 10_000;
const LOOK_EVERY_MS = 20;
/** How much longer it may take until enough has happened. */
const MOST_TIMES = 10;

export interface RunOptions {
  readonly seed: number;
  readonly instances: number;
  /**
   * How long it is not calm, at least. Counts while somebody is there who has a database, as all times of the plan do: however
   * slow a machine is, there is something that can go wrong.
   */
  readonly ms: number;
  /** Whether enough has happened by then; else it goes on. Default: always. */
  readonly isEnough?: (sums: Sums) => boolean;
  /** By the clock on the wall it is calm after this time, whatever has happened. Default: none. */
  readonly mostMs?: number;
  /** Between one fault and the next, on average. */
  readonly everyMs: number;
  /** Makes faults this much shorter. */
  readonly haste?: number;
  /** Visits at a time. */
  readonly visits: number;
  readonly mostSends: number;
  readonly longestPauseMs: number;
  readonly patienceMs: number;
  /** Also waits until nothing may be left of dead instances. */
  readonly looksForLeftovers?: boolean;
  readonly logFolder?: string | undefined;
  /** Told of each fault as it begins, or cannot begin. */
  readonly onFault?: (fault: Fault, befalls: boolean) => void;
  /** Told of everything so far, now and then. */
  readonly onProgress?: (history: History) => void;
}

/** What happened how often. */
export type Sums = Readonly<Record<string, number>>;

export interface Run {
  readonly history: History;
  readonly sums: Sums;
  /** Faults that befell, by kind. */
  readonly befell: ReadonlyMap<FaultKind, number>;
}

export async function run(options: RunOptions): Promise<Run> {
  const history = emptyHistory();
  await using world = await World.start(options);
  const requests = new Requests(world.url);
  let calmAt: number | undefined;
  const surroundings: Surroundings = {
    ...options,
    requests,
    secret: world.secret,
    hubUrls: world.hubUrls,
    isOver: () => calmAt !== undefined,
    hadTroubleSince: (at) => world.hadTroubleSince(at),
    servedMs: () => world.servedMs,
    calmMs: () => (calmAt === undefined ? 0 : performance.now() - calmAt),
  };
  const visiting = Array.from({ length: options.visits }, (_none, place) =>
    visitAll({ place, history, surroundings, seed: options.seed }),
  );
  const tidying = setInterval(() => {
    world.forgetRequests();
    options.onProgress?.(history);
  }, FORGET_EVERY_MS);
  try {
    const befell = await everythingGoesWrong(world, { ...options, sums: () => sumsOf(history, world, requests) });
    calmAt = performance.now();
    const waking = setInterval(() => fire('online'), 1_000);
    await Promise.all(visiting).finally(() => clearInterval(waking));
    if (options.looksForLeftovers === true) history.leftovers.push(...(await world.leftovers()));
    const sums = sumsOf(history, world, requests);
    await world[Symbol.asyncDispose]();
    history.instances.push(...world.instances.map(({ note }) => note));
    return { history, sums, befell };
  } finally {
    clearInterval(tidying);
  }
}

interface Place {
  readonly place: number;
  readonly history: History;
  readonly surroundings: Surroundings;
  readonly seed: number;
}

/** One visit after the other. */
async function visitAll({ place, history, surroundings, seed }: Place): Promise<void> {
  for (let number = 1; number === 1 || !surroundings.isOver(); number++) {
    const visit = new Visit(`visit-${place}-${number}`, surroundings, seeded(seed + place * 7_919 + number * 104_729));
    history.visits.push(visit.note);
    await visit.play().catch((error: unknown) => visit.note.delays.push(String(error)));
  }
}

interface Wrong extends RunOptions {
  sums(): Sums;
}

async function everythingGoesWrong(world: World, options: Wrong): Promise<ReadonlyMap<FaultKind, number>> {
  const { ms, mostMs = Infinity, isEnough = () => true, onFault, sums } = options;
  const befell = new Map<FaultKind, number>();
  const begunMs = world.servedMs;
  const lastAt = performance.now() + mostMs;
  const pause = async (untilMs: number): Promise<void> => {
    while (world.servedMs - begunMs < untilMs && performance.now() < lastAt) await setTimeout(LOOK_EVERY_MS);
  };
  const under: Promise<void>[] = [];
  for (const fault of planOf({ ...options, ms: MOST_TIMES * ms })) {
    if (fault.atMs > ms && isEnough(sums())) break;
    await pause(fault.atMs);
    if (performance.now() > lastAt) break;
    const befalling = world.befall(fault);
    onFault?.(fault, befalling !== undefined);
    if (befalling === undefined) continue;
    befell.set(fault.kind, (befell.get(fault.kind) ?? 0) + 1);
    under.push(befalling);
  }
  await pause(ms);
  await world.calm();
  await Promise.all(under);
  return befell;
}

function sumsOf({ visits }: History, world: World, requests: Requests): Sums {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  const sends = visits.flatMap((visit) => visit.sends);
  const tabs = visits.flatMap((visit) => visit.tabs);
  const { instances } = world;
  const proxies = instances.map(({ database }) => database.counts);
  return {
    visits: visits.length,
    sends: sends.length,
    answered: sends.filter(({ answers }) => answers.length > 0).length,
    repeated: sends.filter((send) => send.requests > 1).length,
    unanswered: sends.filter(({ answers }) => answers.length === 0).length,
    'handled while the sender waited': sends.filter(({ answers }) => answers.some(({ isHandled }) => isHandled)).length,
    requests: requests.counts.asked,
    'requests refused with 5xx': requests.counts.unavailable,
    'requests lost': requests.counts.lost,
    tabs: tabs.length,
    pages: sum(tabs.map(({ loads }) => loads)),
    'calls of handlers': sum(tabs.map(({ calls }) => calls.length)),
    'long waits': sum(visits.map(({ late }) => late.length)),
    'starts of instances': sum(instances.map(({ starts }) => starts)),
    'longest start in ms': Math.round(Math.max(...instances.map(({ longestStartMs }) => longestStartMs))),
    'starts without a database': sum(instances.map(({ failedStarts }) => failedStarts)),
    'database connections cut': sum(proxies.map(({ cut }) => cut)),
    'rings passed': sum(proxies.map(({ passed }) => passed)),
    'rings dropped': sum(proxies.map(({ dropped }) => dropped)),
    'rings doubled': sum(proxies.map(({ doubled }) => doubled)),
    'rings delayed': sum(proxies.map(({ delayed }) => delayed)),
  };
}
