/** Chance that can be had again: a generator of numbers by seed, and what it does to good requests and frames. */

export class Chance {
  #state: number;

  /** @param seed the same one gives the same numbers */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  isOneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new TypeError('expected something to pick from');
    return item;
  }
}

/** Pieces that parsers trip over. */
const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '%',
  '%00',
  '%2f',
  '../',
  '?',
  '&',
  '=',
  '#',
  '\u0000',
  '\u001e',
  '\ufeff',
  '😀',
  'é',
  '\u2028',
  'null',
  'true',
  '-1',
  '0',
  '1e309',
  '9007199254740993',
  '1.5',
  '"__proto__":{"polluted":1}',
  '"constructor":1',
  '\\ud800',
  '\\u0000',
  '{"a":'.repeat(70),
  '['.repeat(200),
  'a'.repeat(5_000),
  ' '.repeat(1_000),
  '"type":',
  '"sequence":-1',
  'invocationId',
  '"arguments":[1,2,3,4,5]',
] as const;

/** The text with one to three things done to it. */
export function mutated(chance: Chance, text: string): string {
  let result = text;
  for (let left = 1 + chance.below(3); left > 0; left--) result = mutatedOnce(chance, result);
  return result;
}

function mutatedOnce(chance: Chance, text: string): string {
  const from = chance.below(text.length + 1);
  const to = Math.min(text.length, from + 1 + chance.below(8));
  switch (chance.below(6)) {
    case 0:
      return text.slice(0, from) + text.slice(to);
    case 1:
      return text.slice(0, from) + String.fromCharCode(chance.below(256)) + text.slice(from + 1);
    case 2:
      return text.slice(0, to) + text.slice(from, to).repeat(1 + chance.below(4)) + text.slice(to);
    case 3:
      return text.slice(0, from);
    case 4:
      return text.slice(0, from) + chance.pick(PIECES) + text.slice(to);
    default:
      return text.slice(0, from) + chance.pick(PIECES) + text.slice(from);
  }
}
