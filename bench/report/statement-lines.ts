/** What a database's time went into, as lines for a terminal. */
import type { StatementNote } from '../peers/peer.ts';

const TEXT_LENGTH = 150;

/** @param messages that each figure is divided by */
export function statementLines(notes: readonly StatementNote[], messages: number): string[] {
  const line = (cells: readonly string[], text: string): string =>
    `${cells.map((cell) => cell.padStart(10)).join('')}  ${text.slice(0, TEXT_LENGTH)}`;
  return [
    line(['calls', 'µs', 'rows', 'log bytes'], `for each of ${messages} messages`),
    ...notes.map(({ calls, us, rows, logBytes, text }) =>
      line(
        [calls, us, rows, logBytes].map((value) => (value / messages).toFixed(2)),
        text,
      ),
    ),
  ];
}
