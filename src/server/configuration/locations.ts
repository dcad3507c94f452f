/** Where the store and the backplane are: `<kind>:<where>`. Locations may hold passwords, so only kinds are repeated. */
import { nearestName, oneOf } from './configuration-error.ts';
import type { Reading } from './option.ts';

export type StoreLocation =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'memory' }
  /** The URL as `pg` takes it; it may hold a password. */
  | { readonly kind: 'postgres'; readonly url: string };
export type BackplaneLocation = { readonly kind: 'memory' } | { readonly kind: 'postgres' };

export const STORE_FORMS = 'sqlite:<file>, postgres://… or memory:';
export const BACKPLANE_FORMS = 'memory: or postgres:';

/** Kinds of a later issue. */
const FUTURE_KINDS: Readonly<Record<string, string>> = {
  redis: 'redis',
  rediss: 'redis',
};

/** `sqlite:<file>`, `postgres://…` or `memory:`. */
export function readStore(text: string): Reading<StoreLocation> {
  const { kind, rest } = split(text);
  if (kind === 'memory' && rest === '') return { value: { kind } };
  if (kind === 'postgres' || kind === 'postgresql') return readPostgres(text);
  if (kind !== 'sqlite') return refuseKind(text, { what: 'store', kinds: ['sqlite:<file>', 'postgres://…', 'memory:'] });
  if (rest === ':memory:') return { problem: 'expected memory: for a store that keeps nothing' };
  if (rest === '' || rest.includes('\0')) return { problem: 'expected the name of a file after sqlite:' };
  return { value: { kind, file: rest } };
}

function readPostgres(url: string): Reading<StoreLocation> {
  const form = 'postgres://<user>:<password>@<host>:<port>/<database>';
  if (!URL.canParse(url) || !/^postgres(ql)?:\/\/[^/]/i.test(url)) return { problem: `expected ${form}` };
  const { pathname, searchParams, hash } = new URL(url);
  const text = decoded(url);
  if (text === undefined)
    return { problem: 'a % must be followed by two digits of UTF-8 in hexadecimal; write %25 for the sign' };
  if (text.includes('\0')) return { problem: 'expected no %00' };
  if (hash !== '') return { problem: `a # must be written %23, expected ${form}` };
  const database = pathname.slice(1);
  if (decoded(database)?.trim() === '') return { problem: `the name of the database is missing, expected ${form}` };
  if (database.includes('/')) return { problem: `expected one name of a database, with %2F for a / in it: ${form}` };
  if (searchParams.getAll('options').length > 1) return { problem: 'expected options once, with all settings in it' };
  return { value: { kind: 'postgres', url } };
}

/** Undefined where something else is written like an encoded sign. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** `memory:`, or `postgres:` for the database of the store. */
export function readBackplane(text: string): Reading<BackplaneLocation> {
  const { kind, rest } = split(text);
  if ((kind === 'memory' || kind === 'postgres') && rest === '') return { value: { kind } };
  if (kind === 'postgres') return { problem: 'expected nothing after postgres:, which means the database of the store' };
  return refuseKind(text, { what: 'backplane', kinds: ['memory:', 'postgres:'] });
}

function split(text: string): { kind: string | undefined; rest: string } {
  const found = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text);
  return { kind: found?.[1], rest: found?.[2] ?? '' };
}

function refuseKind(text: string, { what, kinds }: { what: string; kinds: readonly string[] }): { readonly problem: string } {
  const { kind } = split(text);
  const future = FUTURE_KINDS[(kind ?? text).toLowerCase()];
  if (future !== undefined) return { problem: `the ${what} kind ${future} does not exist yet; expected ${oneOf(kinds)}` };
  const names = kinds.map((form) => form.slice(0, form.indexOf(':')));
  const near = nearestName((kind ?? text).slice(0, 32), names);
  const hint = near === undefined ? '' : `; did you mean ${kinds.find((form) => form.startsWith(near))}?`;
  const refused =
    kind === undefined ? 'a kind and a colon are missing' : `there is no ${what} kind ${JSON.stringify(kind.slice(0, 32))}`;
  return { problem: `${refused}, expected ${oneOf(kinds)}${hint}` };
}
