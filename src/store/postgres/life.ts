/** How transactions begin and end. Functions: `0001-5-life.sql`, `0001-6-removal.sql`. */
import type { NewTransaction, OpenResult, SweepResult, TransactionState } from '../store.ts';
import { sought } from './storable.ts';
import { BUSY, IN_USE, Write } from './write.ts';

const MOST_OPENED = 64;
const MOST_SETTLED = 128;

/** Messages that one statement removes: the work of some ten milliseconds. */
export const MOST_REMOVED = 3_000;

type OpenAnswer = readonly [createdAt: number, expiresAt: number] | 'reference_taken' | 'full' | 'in_use';
export type OpenWrite = Write<NewTransaction, OpenResult, readonly OpenAnswer[]>;

export function openWrite(): OpenWrite {
  return new Write({
    name: 'open_all',
    types: ['text[]', 'bigint[]', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]'],
    most: MOST_OPENED,
    place: ({ id, reference, token, callback }) => ({
      keys: [
        `t:${id}`,
        `h:${token.hash}`,
        ...(callback === undefined ? [] : [`h:${callback.hash}`]),
        ...(reference === undefined ? [] : [`r:${reference}`]),
      ],
      ...(reference === undefined ? {} : { names: 'both' }),
    }),
    texts: ({ id, token, callback, reference, metadata, anonymousOrigin }) => [
      id,
      token.id,
      token.hash,
      callback?.id,
      callback?.hash,
      reference,
      metadata,
      anonymousOrigin,
    ],
    values: (calls) => [
      calls.map(({ id }) => id),
      calls.map(({ ttlMs }) => ttlMs),
      calls.map(({ token }) => token.id),
      calls.map(({ token }) => token.hash),
      calls.map(({ callback }) => callback?.id),
      calls.map(({ callback }) => callback?.hash),
      calls.map(({ reference }) => reference),
      calls.map(({ metadata }) => metadata),
      calls.map(({ anonymousOrigin }) => anonymousOrigin),
    ],
    answers: (answers) => answers.map(openResult),
  });
}

function openResult(answer: OpenAnswer): OpenResult | typeof IN_USE {
  if (answer === 'in_use') return IN_USE;
  if (typeof answer === 'string') return { outcome: answer };
  const [createdAt, expiresAt] = answer;
  return { outcome: 'opened', createdAt, expiresAt };
}

export type SettleWrite = Write<string, TransactionState | undefined, readonly (TransactionState | 'busy' | null)[]>;

export function settleWrite(): SettleWrite {
  return new Write({
    name: 'settle_all',
    types: ['text[]'],
    most: MOST_SETTLED,
    place: (id) => ({ keys: [`t:${id}`], names: 'id' }),
    texts: () => [],
    values: (ids) => [ids.map(sought)],
    answers: (answers) => answers.map((state) => (state === 'busy' ? BUSY : (state ?? undefined))),
  });
}

/** Undefined: unknown. */
export type Removal = { readonly tx: number; readonly isLeft: boolean } | undefined;
type ForgetAnswer = readonly [tx: number, isLeft: boolean] | 'busy' | null;
export type ForgetWrite = Write<string, Removal, ForgetAnswer>;

export function forgetWrite(): ForgetWrite {
  return new Write({
    name: 'forget_one',
    types: ['text', 'bigint'],
    most: 1,
    place: (id) => ({ keys: [`t:${id}`], names: 'id' }),
    texts: () => [],
    values: ([id = '']) => [sought(id), MOST_REMOVED],
    answers: (answer) => [answer === 'busy' ? BUSY : removalOf(answer)],
  });
}

function removalOf(answer: Exclude<ForgetAnswer, 'busy'>): Removal {
  return answer === null ? undefined : { tx: answer[0], isLeft: answer[1] };
}

/** Takes a transaction that is forgotten already, by its key; answers whether there is more of it. */
export type ForgetMoreWrite = Write<number, boolean, boolean>;

export function forgetMoreWrite(): ForgetMoreWrite {
  return new Write({
    name: 'forget_more',
    types: ['bigint', 'bigint'],
    most: 1,
    place: () => ({ keys: [] }),
    texts: () => [],
    values: ([tx = 0]) => [tx, MOST_REMOVED],
    answers: (isLeft) => [isLeft],
  });
}

export type SweepWrite = Write<number, SweepResult, SweepResult>;

export function sweepWrite(): SweepWrite {
  return new Write({
    name: 'sweep_all',
    types: ['bigint', 'bigint'],
    most: 1,
    place: () => ({ keys: [] }),
    texts: () => [],
    values: ([limit = 0]) => [limit, MOST_REMOVED],
    answers: (result) => [result],
  });
}

/** What is done beside a sweep, or only to see that the database can be written. */
export type ChoreWrite = Write<undefined, boolean, boolean>;

export function choreWrite(name: 'tally' | 'drop_strays' | 'touch'): ChoreWrite {
  return new Write({
    name,
    types: [],
    most: 1,
    place: () => ({ keys: [] }),
    texts: () => [],
    values: () => [],
    answers: (answer) => [answer],
  });
}
