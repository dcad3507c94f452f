/** Which figures of a run are drawn. */
import type { Run } from '../rounds.ts';
import { barChart, type Bars } from './chart.ts';
import { figuresOf, summarize, type Figure, type Row } from './summary.ts';

/** @returns an SVG document */
export function resultsChart(run: Run, rates: readonly number[]): string {
  const rows = summarize(run.figures, rates);
  const drawn = figuresOf(rates).filter(
    ({ name, more }) => more !== undefined && !name.startsWith('p99.9') && rows.some((row) => name in row.figures),
  );
  return barChart(drawn.map((figure) => panelOf(figure, rows)));
}

function panelOf({ name, unit, digits }: Figure, rows: readonly Row[]): Bars {
  const sizes = [...new Set(rows.filter((row) => name in row.figures).map(({ connections }) => connections))];
  const peers = [...new Set(rows.map(({ peer }) => peer))];
  return {
    title: `${name}, ${unit}`,
    digits,
    groups: sizes.map((size) => `${size} connections`),
    series: peers.map((peer) => ({
      name: peer,
      values: sizes.map((size) => rows.find((row) => row.peer === peer && row.connections === size)?.figures[name]?.median),
    })),
  };
}
