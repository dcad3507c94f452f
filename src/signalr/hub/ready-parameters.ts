/**
 * Parameters for what is sent most often. Any function that returns what it is given, or throws, is one as well: the `parse` of
 * a schema, for example.
 */
import type { Parameter } from './parameter.ts';

export const text: Parameter<string> = (value) => (typeof value === 'string' ? value : refuse('a text'));

/** Finite, which JSON has no other way to be. */
export const number: Parameter<number> = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse('a number');

/** Within ±(2^53 - 1). */
export const int: Parameter<number> = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : refuse('an integer');

export const flag: Parameter<boolean> = (value) => (typeof value === 'boolean' ? value : refuse('true or false'));

/**
 * A parameter, said so that the compiler knows it before it looks at the `run` beside it: calls that plainly return functions it
 * would put off.
 */
type ListParameter<T> = [T] extends [unknown] ? Parameter<T[]> : never;

export function listOf<T>(item: Parameter<T>): ListParameter<T>;
export function listOf<T>(item: Parameter<T>): Parameter<T[]> {
  return (value) => (Array.isArray(value) ? value.map((each) => item(each)) : refuse('a list'));
}

function refuse(expected: string): never {
  throw new TypeError(`expected ${expected}`);
}
