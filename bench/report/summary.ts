/**
 * What a run amounts to: for each figure of each peer the median of the rounds and their spread, and the ratios between peers.
 * Knows no terminal and no file.
 */
import type { Figures, LoadFigures } from '../visit.ts';

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Row {
  readonly peer: string;
  readonly connections: number;
  readonly rounds: number;
  /** Figures by name; see `FIGURES`. One that a run did not measure is absent. */
  readonly figures: Readonly<Record<string, Spread>>;
  /** Messages lost, doubled, misrouted, out of order or refused, and answers that the server has not counted, in all rounds. */
  readonly faults: number;
}

/** A figure: how it is read from one round's row, and how it is shown. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  /** Whether more is better; undefined: neither. */
  readonly more?: boolean;
  /** Only of peers whose servers share something. */
  readonly isOfShared?: boolean;
  read(row: Figures): number | undefined;
}

const KB = 1024;

/** All figures of a run with these rates, in the order of the report. */
export function figuresOf(rates: readonly number[]): Figure[] {
  return [
    { name: 'max rate', unit: '/s', digits: 0, more: true, read: ({ max }) => max.rate },
    { name: 'CPU at max', unit: 'µs/message', digits: 1, more: false, read: ({ max }) => max.cpuPerMessage },
    ...sharedFigures('at max', ({ max }) => max),
    ...rates.flatMap((rate) => openFigures(rate)),
    { name: 'connects', unit: '/s', digits: 0, more: true, read: (row) => row.connectsPerSecond },
    { name: 'memory', unit: 'KB/idle connection', digits: 1, more: false, read: (row) => inKb(row.bytesPerConnection) },
    { name: 'memory at start', unit: 'MB', digits: 0, read: (row) => row.startRssBytes / KB / KB },
    { name: 'generator waiting at max', unit: '%', digits: 0, read: ({ max }) => max.waiting * 100 },
    ...rates.flatMap((rate) => generatorFigures(rate)),
    { name: 'generator waiting at connect', unit: '%', digits: 0, read: ({ connectWaiting }) => connectWaiting * 100 },
  ];
}

function openFigures(rate: number): Figure[] {
  const at = `at ${rate}/s`;
  return [
    { name: `p50 ${at}`, unit: 'ms', digits: 2, more: false, read: (row) => row.at[rate]?.p50 },
    { name: `p99 ${at}`, unit: 'ms', digits: 2, more: false, read: (row) => row.at[rate]?.p99 },
    { name: `p99.9 ${at}`, unit: 'ms', digits: 2, more: false, read: (row) => row.at[rate]?.p999 },
    { name: `CPU ${at}`, unit: 'µs/message', digits: 1, more: false, read: (row) => row.at[rate]?.cpuPerMessage },
    ...sharedFigures(at, (row) => row.at[rate]),
  ];
}

/** What of it is the database's or the broker's, and what that has counted. */
function sharedFigures(when: string, loadOf: (row: Figures) => LoadFigures | undefined): Figure[] {
  const isOfShared = true;
  return [
    {
      name: `CPU ${when}, of it PostgreSQL or Redis`,
      unit: 'µs/message',
      digits: 1,
      isOfShared,
      read: (row) => loadOf(row)?.sharedCpuPerMessage,
    },
    { name: `commits ${when}`, unit: '/message', digits: 3, isOfShared, read: (row) => loadOf(row)?.countsPerMessage.commits },
    { name: `log ${when}`, unit: 'bytes/message', digits: 0, isOfShared, read: (row) => loadOf(row)?.countsPerMessage.logBytes },
    { name: `commands ${when}`, unit: '/message', digits: 2, isOfShared, read: (row) => loadOf(row)?.countsPerMessage.commands },
  ];
}

/** How well the generator did: it is part of every latency. */
function generatorFigures(rate: number): Figure[] {
  return [
    { name: `generator waiting at ${rate}/s`, unit: '%', digits: 0, read: (row) => percent(row.at[rate]?.waiting) },
    { name: `generator late at ${rate}/s, p50`, unit: 'ms', digits: 2, read: (row) => row.at[rate]?.lateP50 },
    { name: `generator late at ${rate}/s, p99`, unit: 'ms', digits: 2, read: (row) => row.at[rate]?.lateP99 },
  ];
}

function percent(share: number | undefined): number | undefined {
  return share === undefined ? undefined : share * 100;
}

function inKb(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / KB;
}

/** One row for each peer and number of connections, in the order in which they first came. */
export function summarize(all: readonly Figures[], rates: readonly number[]): Row[] {
  const groups = Map.groupBy(all, ({ peer, connections }) => `${connections} ${peer}`);
  return [...groups.values()].flatMap((rows) => {
    const [first] = rows;
    if (first === undefined) return [];
    const figures: Record<string, Spread> = {};
    for (const figure of figuresOf(rates)) {
      const values = rows.map((row) => figure.read(row)).filter((value) => value !== undefined);
      if (values.length > 0) figures[figure.name] = spreadOf(values);
    }
    const faults = rows.reduce((sum, row) => sum + faultsIn(row), 0);
    return [{ peer: first.peer, connections: first.connections, rounds: rows.length, figures, faults }];
  });
}

/** Everything that should be 0. */
export function faultsIn({ faults, answered, counted, max, at }: Figures): number {
  const unsent = [max, ...Object.values(at)].reduce((sum, load) => sum + load.unsent, 0);
  return Object.values(faults).reduce((sum: number, count: number) => sum + count, 0) + Math.abs(answered - counted) + unsent;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
  return { median, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN };
}

/** Two peers at one number of connections. */
export interface Pair {
  readonly connections: number;
  readonly of: string;
  readonly to: string;
}

/**
 * How many times the figure of `of` is that of `to`, round by round: each round has its own weather. Undefined when either
 * lacks it.
 */
export function ratioOf(all: readonly Figures[], figure: Figure, pair: Pair): Spread | undefined {
  const values = pairsOf(all, figure, pair).flatMap(([mine, theirs]) => (theirs === 0 ? [] : [mine / theirs]));
  return values.length === 0 ? undefined : spreadOf(values);
}

/** How much more the figure of `of` is than that of `to`, round by round. */
export function differenceOf(all: readonly Figures[], figure: Figure, pair: Pair): Spread | undefined {
  const values = pairsOf(all, figure, pair).map(([mine, theirs]) => mine - theirs);
  return values.length === 0 ? undefined : spreadOf(values);
}

function pairsOf(all: readonly Figures[], figure: Figure, { connections, of, to }: Pair): [mine: number, theirs: number][] {
  const rows = all.filter((row) => row.connections === connections);
  return rows.flatMap((row) => {
    const other = rows.find(({ peer, round }) => peer === to && round === row.round);
    const [mine, theirs] = [figure.read(row), other === undefined ? undefined : figure.read(other)];
    return row.peer !== of || mine === undefined || theirs === undefined ? [] : [[mine, theirs]];
  });
}
