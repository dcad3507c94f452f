/** What a run was measured on. */
import { cpus, release, totalmem, type as osType, version as osVersion } from 'node:os';

export interface Machine {
  readonly cpus: string;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly at: string;
}

export function machine(): Machine {
  const all = cpus();
  return {
    cpus: `${all.length} × ${all[0]?.model ?? 'unknown'}`,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${osType()} ${release()} ${osVersion()}`,
    node: process.version,
    at: new Date().toISOString(),
  };
}
