/** A reader's second terminal: runs commands of the documentation as they stand, against a server elsewhere. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { ROOT } from './blocks.ts';

export interface TerminalOptions {
  /** The working directory: the reader's checkout, but for the npm scripts, which run in ours. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface Output {
  readonly code: number | null;
  /** What each of the scripts has printed on stdout. */
  readonly printed: readonly string[];
  readonly stderr: string;
}

const BORDER = '--- next ---';

/** The scripts one after the other in one shell, which ends at the first command that fails. */
export async function type(scripts: readonly string[], { folder, environment }: TerminalOptions): Promise<Output> {
  const lines = ['set -euo pipefail', `npm() { command npm --prefix '${ROOT}' "$@"; }`, scripts.join(`\necho '${BORDER}'\n`)];
  const child = spawn('bash', ['-c', lines.join('\n')], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, printed: stdout.split(`${BORDER}\n`), stderr };
}
