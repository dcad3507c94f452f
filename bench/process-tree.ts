/** What a process and its children have used, as Linux counts it in /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Of the kernel's clock for CPU time; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const KB = 1024;

export interface Usage {
  /** User and system time since the start, also of children that have ended, in microseconds; to 10 ms exactly. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** With those of its children that it has seen end. */
  readonly ticks: number;
}

/** @throws Error when there is no such process, or no Linux */
export function usageOf(pid: number): Usage {
  if (process.platform !== 'linux') throw new Error(`the benchmark reads /proc, so it needs Linux; here is ${process.platform}`);
  const tree = treeOf(pid);
  if (tree.length === 0) throw new Error(`the process ${pid} has ended`);
  const ticks = tree.reduce((sum, process) => sum + process.ticks, 0);
  const rssBytes = tree.reduce((sum, process) => sum + residentBytes(process.pid), 0);
  return { cpuUs: (ticks * 1e6) / TICKS_PER_SECOND, rssBytes };
}

/** The process and everything below it. */
function treeOf(root: number): Process[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(statOf)
    .filter((process) => process !== undefined);
  const below = (pid: number): Process[] =>
    all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return [...all.filter(({ pid }) => pid === root), ...below(root)];
}

/** @see proc_pid_stat(5) */
function statOf(name: string): Process | undefined {
  const stat = readOrNothing(`/proc/${name}/stat`);
  // The second field is the program's name, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields.length < 20) return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(name), parent: Number(fields[1]), ticks };
}

function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readOrNothing(`/proc/${pid}/status`));
  return Number(found?.[1] ?? 0) * KB;
}

/** Processes come and go while one looks. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
