/** The tables of a run, as lines of cells; a terminal and a page show the same ones. The first line is the head. */
import type { Figures, Plan } from '../visit.ts';
import type { Run } from '../rounds.ts';
import { pairsOf, type Compared } from './pairs.ts';
import { differenceOf, figuresOf, ratioOf, summarize, type Figure, type Row, type Spread } from './summary.ts';

export interface Table {
  readonly title: string;
  readonly lines: readonly (readonly string[])[];
}

/** A table of figures and one of ratios for each number of connections; of a single peer one table of all numbers. */
export function tablesOf(run: Run, plan: Plan): Table[] {
  const rows = summarize(run.figures, plan.rates);
  if (run.peers.length === 1) return [scaleTable(rows, plan)];
  const sizes = [...new Set(rows.map(({ connections }) => connections))];
  return sizes.flatMap((connections) => {
    const these = rows.filter((row) => row.connections === connections);
    const title = `${connections} connections`;
    const figures = {
      title,
      lines: figureLines(
        these,
        plan,
        these.map(({ peer }) => peer),
      ),
    };
    const ratios = ratioLines(run.figures, plan, { connections, compared: pairsOf(these.map(({ peer }) => peer)) });
    return ratios.length < 2 ? [figures] : [figures, { title: `${title}: ringback beside the others`, lines: ratios }];
  });
}

function scaleTable(rows: readonly Row[], plan: Plan): Table {
  return {
    title: `${rows[0]?.peer ?? ''} by number of connections`,
    lines: figureLines(
      rows,
      plan,
      rows.map(({ connections }) => `${connections} connections`),
    ),
  };
}

function figureLines(rows: readonly Row[], { rates }: Plan, heads: readonly string[]): string[][] {
  const figures = figuresOf(rates).filter(({ name }) => rows.some((row) => name in row.figures));
  const lines = figures.map((figure) => [
    `${figure.name}, ${figure.unit}`,
    ...rows.map((row) => shown(figure, row.figures[figure.name])),
  ]);
  const rounds = Math.max(0, ...rows.map((row) => row.rounds));
  return [
    [rounds === 1 ? 'one round' : `median of ${rounds} rounds (least–most)`, ...heads],
    ...lines,
    ['lost, doubled, misrouted, refused, not counted', ...rows.map(({ faults }) => String(faults))],
  ];
}

/** What the promises are about; each from the figures of one and the same round. */
function ratioLines(
  all: readonly Figures[],
  { rates }: Plan,
  { connections, compared }: { connections: number; compared: Compared },
): string[][] {
  const figures = figuresOf(rates).filter(({ more }) => more !== undefined);
  const lines = figures.flatMap((figure) => {
    const pairs = compared.pairs.map((pair) => ({ connections, ...pair }));
    const ratios = [`${figure.name}, ratio`, ...pairs.map((pair) => shownSpread(ratioOf(all, figure, pair), 2))];
    if (figure.unit !== 'ms') return [ratios];
    return [
      ratios,
      [`${figure.name}, difference in ms`, ...pairs.map((pair) => shownSpread(differenceOf(all, figure, pair), 2))],
    ];
  });
  return [
    [compared.head, ...compared.pairs.map(({ head }) => head)],
    ...lines.filter(([, ...cells]) => cells.some((cell) => cell !== '')),
  ];
}

function shown({ digits }: Figure, spread: Spread | undefined): string {
  return shownSpread(spread, digits);
}

function shownSpread(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '';
  const [median, least, most] = [spread.median, spread.least, spread.most].map((value) => value.toFixed(digits));
  return least === most ? `${median}` : `${median} (${least}–${most})`;
}
