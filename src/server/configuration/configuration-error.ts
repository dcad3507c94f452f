/**
 * How a wrong configuration is told: what was wrong, what was expected, and the nearest right name. Never a secret.
 */

/** Longest piece of a value that a message repeats. */
const SHOWN_CHARACTERS = 64;

/** The configuration cannot be used. The message is one line that names every fault; `faults` has them one by one. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.faults = faults;
  }
}

/** A value as a message may repeat it: cut, without control characters, and not at all where credentials could be in it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    if (value.includes('@')) return 'something else';
    return JSON.stringify(value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

/** The candidate that the name was probably meant to be; undefined when none is near. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const typed = name.toLowerCase();
  let nearest: string | undefined;
  // Of a short name one letter may be wrong, of a longer one two in five; the dashes of a flag are none.
  let least = Math.max(1, Math.floor(typed.replace(/^-+/, '').length * 0.4)) + 1;
  for (const candidate of candidates) {
    const isBeginning = typed.length > 3 && candidate.toLowerCase().startsWith(typed);
    const distance = isBeginning ? 1 : editDistance(typed, candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** The end of a message about a name that does not exist. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const nearest = nearestName(name, candidates);
  return nearest === undefined ? `expected ${oneOf(candidates)}` : `did you mean ${JSON.stringify(nearest)}?`;
}

/** `a, b or c`. */
export function oneOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** Insertions, deletions, replacements and swaps of neighbours that make one text of the other. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Infinity,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return last[to.length] ?? 0;
}
