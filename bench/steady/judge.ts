/** What the samples of a steady run say: is memory flat, and did the event loop pause for anything but a collection. */
import { spreadOf } from '../report/summary.ts';
import type { Event, Pause, Sample } from './sample.ts';

/** A pause that may not be, unless the garbage collector made it. */
export const LONGEST_PAUSE_MS = 50;
/** An event's end is noted by a timer: a little late. */
const SLACK_MS = 10;
const MB = 2 ** 20;
const HOUR_MS = 3_600_000;

export interface Verdict {
  readonly samples: number;
  /** Medians of the first and the last tenth. */
  readonly rssMb: { readonly first: number; readonly last: number };
  readonly heapUsedMb: { readonly first: number; readonly last: number };
  /** Of a straight line through the second half. */
  readonly rssMbPerHour: number;
  readonly heapMbPerHour: number;
  readonly longestPauseMs: number;
  readonly longestCollectionMs: number;
  /** Pauses above 50 ms. */
  readonly pauses: number;
  /** Those of them that would be above 50 ms without the collections in them. */
  readonly unexplained: readonly Pause[];
  /** Those of them in which this thread itself worked for more than 50 ms: the rest is the machine's doing. */
  readonly ours: number;
}

/** @throws Error when there are too few samples to say anything */
export function judge(samples: readonly Sample[]): Verdict {
  if (samples.length < 10) throw new Error(`expected at least 10 samples of the server, got ${samples.length}`);
  const collections = samples.flatMap((sample) => sample.collections);
  const pauses = samples.flatMap((sample) => sample.pauses).filter(({ ms }) => ms > LONGEST_PAUSE_MS);
  const unexplained = pauses.filter((pause) => pause.ms - collectedIn(pause, collections) > LONGEST_PAUSE_MS);
  const late = samples.slice(Math.floor(samples.length / 2));
  return {
    samples: samples.length,
    rssMb: ends(samples.map(({ rssBytes }) => rssBytes / MB)),
    heapUsedMb: ends(samples.map(({ heapUsedBytes }) => heapUsedBytes / MB)),
    rssMbPerHour: slope(late.map(({ at, rssBytes }) => [at / HOUR_MS, rssBytes / MB])),
    heapMbPerHour: slope(late.map(({ at, heapUsedBytes }) => [at / HOUR_MS, heapUsedBytes / MB])),
    longestPauseMs: Math.max(...samples.map((sample) => sample.longestPauseMs)),
    longestCollectionMs: Math.max(0, ...collections.map(({ ms }) => ms)),
    pauses: pauses.length,
    unexplained,
    ours: unexplained.filter(({ cpuMs }) => cpuMs > LONGEST_PAUSE_MS).length,
  };
}

/** How much of a pause the collections in it took. */
function collectedIn(pause: Event, collections: readonly Event[]): number {
  const from = pause.at - pause.ms - SLACK_MS;
  const inside = collections.filter(({ at, ms }) => at <= pause.at + SLACK_MS && at - ms >= from);
  return inside.reduce((sum, { ms }) => sum + ms, 0);
}

function ends(values: readonly number[]): { first: number; last: number } {
  const tenth = Math.ceil(values.length / 10);
  return { first: spreadOf(values.slice(0, tenth)).median, last: spreadOf(values.slice(-tenth)).median };
}

/** Of the line with the least squares. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
