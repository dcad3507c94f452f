/** The tables of docs/benchmarks.md, made from the results of a run: nobody copies figures by hand. */
import type { Machine } from '../machine.ts';
import type { Run } from '../rounds.ts';
import type { Plan } from '../visit.ts';
import { tablesOf } from './tables.ts';

export interface Results extends Run {
  readonly machine: Machine;
  readonly plan: Plan;
}

/** Machine, versions, then each table under a heading. */
export function markdownReport(results: Results): string {
  const { machine, plan, peers, missing } = results;
  const facts = [
    machineLine(machine),
    `- ${plan.rounds} round(s); each load measured for ${plan.measureMs / 1000} s, after ${plan.warmUpMs / 1000} s of full load`,
    ...peers.map(({ name, title }) => `- ${name}: ${title}`),
    ...missing.map(({ peer, why }) => `- ${peer}: not measured, ${why}`),
  ];
  const tables = tablesOf(results, plan).map(({ title, lines }) => `### ${title}\n${markdownTable(lines)}`);
  return `${[facts.join('\n'), ...tables].join('\n\n')}\n`;
}

export function machineLine({ cpus, memoryGb, system, node, at }: Machine): string {
  return `- ${cpus}, ${memoryGb} GB, ${system}, Node ${node}, ${at.slice(0, 10)}`;
}

/** @param lines the first is the head */
export function markdownTable(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = lines;
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(row)].join('\n');
}
