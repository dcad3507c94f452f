/** The tables of a run on a terminal. */
import type { Run } from '../rounds.ts';
import type { Plan } from '../visit.ts';
import { tablesOf, type Table } from './tables.ts';

export function terminalReport(run: Run, plan: Plan): string {
  const titles = run.peers.map(({ name, title }) => `${name}: ${title}`);
  const missing = run.missing.map(({ peer, why }) => `${peer} was SKIPPED: ${why}`);
  return [...tablesOf(run, plan).map(aligned), [...titles, ...missing].join('\n')].join('\n\n');
}

function aligned({ title, lines }: Table): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => pad(cell, widths[column] ?? 0, column > 0))
      .join('  ')
      .trimEnd(),
  );
  return [title, text[0], '-'.repeat(Math.max(...text.map(({ length }) => length))), ...text.slice(1)].join('\n');
}

function pad(cell: string, width: number, isNumber: boolean): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}
