/** The arrangements that there are, and how a file of tests runs in each of them. A new one is a file, and a line here. */
import assert from 'node:assert/strict';
import { after, suite } from 'node:test';
import type { Arrangement } from './arrangement.ts';
import { isLong } from '../fixtures/long.ts';
import { oneOnSqlite } from './one-on-sqlite.ts';
import { twoOnPostgres } from './two-on-postgres.ts';

export const arrangements: readonly Arrangement[] = [oneOnSqlite, twoOnPostgres];

/** Registers the tests once for each, in a suite of its name. */
export function eachArrangement(register: (arrangement: Arrangement) => void): void {
  assert.ok(arrangements.length > 1);
  for (const arrangement of arrangements) suite(arrangement.name, { skip: arrangement.skip }, () => register(arrangement));
}

/** Whether tests that look at pages more than at servers run in this one: in the first, and in all with `RINGBACK_LONG=1`. */
export function isForAll(arrangement: Arrangement): boolean {
  return isLong || arrangement === arrangements[0];
}

/**
 * What tests share that do not get into each other's way: started when the first of them asks for it, gone after the last test of
 * the file or suite in which this is called.
 */
export function shared<Thing extends AsyncDisposable>(start: () => Promise<Thing>): () => Promise<Thing> {
  let thing: Promise<Thing> | undefined;
  after(async () => (await thing)?.[Symbol.asyncDispose]());
  return () => (thing ??= start());
}
