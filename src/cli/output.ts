/** Data on stdout, one JSON line a thing; talk on stderr. */
import { CommandFailure } from './failure.ts';

/** Resolves when the line has left this process. */
export function printLine(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => {
      if (error) reject(new CommandFailure('stdout was closed'));
      else resolve();
    });
  });
}

export function talk(text: string): void {
  process.stderr.write(`ringback: ${text}\n`);
}

/** Whoever reads our output may go first; a write then fails where it is made, not out of nowhere. */
export function surviveClosedPipes(): void {
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
}
