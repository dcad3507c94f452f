/** The table of each scenario of `--signalr`. */
import type { Machine } from '../machine.ts';
import type { CallFigures, CallPlan, CallRun } from '../signalr/measure.ts';
import { machineLine, markdownTable } from './markdown.ts';
import { spreadOf, type Spread } from './summary.ts';
import type { Table } from './tables.ts';

interface Figure {
  readonly name: string;
  readonly digits: number;
  read(row: CallFigures): number;
}

const FIGURES: readonly Figure[] = [
  { name: 'rate, arrivals/s', digits: 0, read: ({ rate }) => rate },
  { name: 'p50, ms', digits: 2, read: ({ p50 }) => p50 },
  { name: 'p99, ms', digits: 2, read: ({ p99 }) => p99 },
  { name: 'p99.9, ms', digits: 2, read: ({ p999 }) => p999 },
  { name: 'CPU, µs/arrival', digits: 1, read: ({ cpuPerArrival }) => cpuPerArrival },
  { name: 'memory, MB', digits: 0, read: ({ rssBytes }) => rssBytes / 1024 / 1024 },
  { name: 'generator waiting, %', digits: 0, read: ({ waiting }) => 100 * waiting },
];

export function callTables({ scenarios, peers, figures }: CallRun): Table[] {
  return scenarios.map(({ name: scenario }) => {
    const rows = figures.filter((row) => row.scenario === scenario);
    const names = peers.map(({ name }) => name).filter((name) => rows.some(({ peer }) => peer === name));
    const spread = (peer: string, read: Figure['read']): Spread =>
      spreadOf(rows.filter((row) => row.peer === peer).map((row) => read(row)));
    const rounds = Math.max(0, ...rows.map(({ round }) => round + 1));
    const lines = FIGURES.map(({ name, digits, read }) => [name, ...names.map((peer) => shown(spread(peer, read), digits))]);
    const faults = names.map((peer) =>
      String(rows.filter((row) => row.peer === peer).reduce((sum, { lost, astray }) => sum + lost + astray, 0)),
    );
    const head = [rounds === 1 ? 'one round' : `median of ${rounds} rounds (least–most)`, ...names];
    return { title: scenario, lines: [head, ...lines, ['lost, astray', ...faults]] };
  });
}

/** As a page. */
export function callReport(run: CallRun, { rounds, measureMs, warmUpMs }: CallPlan, machine: Machine): string {
  const facts = [
    machineLine(machine),
    `- ${rounds} round(s); each load measured for ${measureMs / 1000} s, after ${warmUpMs / 1000} s of it`,
    ...run.peers.map(({ name, title }) => `- ${name}: ${title}`),
    ...run.missing.map(({ peer, why }) => `- ${peer}: not measured, ${why}`),
  ];
  const tables = callTables(run).map(({ title, lines }) => `### ${title}\n${markdownTable(lines)}`);
  return `${[facts.join('\n'), ...tables].join('\n\n')}\n`;
}

function shown({ median, least, most }: Spread, digits: number): string {
  const [text, from, to] = [median, least, most].map((value) => value.toFixed(digits));
  return from === to ? String(text) : `${text} (${from}–${to})`;
}
