/** Where the store and the backplane are: `<kind>:<where>`. Locations may hold passwords, so only kinds are repeated. */
import { nearestName, oneOf } from './configuration-error.ts';
import type { Reading } from './option.ts';

export type StoreLocation = { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'memory' };
export interface BackplaneLocation {
  readonly kind: 'memory';
}

export const STORE_FORMS = 'sqlite:<file> or memory:';
export const BACKPLANE_FORMS = 'memory:';

/** Kinds of a later issue. */
const FUTURE_KINDS: Readonly<Record<string, string>> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  redis: 'redis',
  rediss: 'redis',
};

/** `sqlite:<file>` or `memory:`. */
export function readStore(text: string): Reading<StoreLocation> {
  const { kind, rest } = split(text);
  if (kind === 'memory' && rest === '') return { value: { kind } };
  if (kind !== 'sqlite') return refuseKind(text, { what: 'store', kinds: ['sqlite:<file>', 'memory:'] });
  if (rest === ':memory:') return { problem: 'expected memory: for a store that keeps nothing' };
  if (rest === '' || rest.includes('\0')) return { problem: 'expected the name of a file after sqlite:' };
  return { value: { kind, file: rest } };
}

/** `memory:`. */
export function readBackplane(text: string): Reading<BackplaneLocation> {
  const { kind, rest } = split(text);
  if (kind === 'memory' && rest === '') return { value: { kind } };
  return refuseKind(text, { what: 'backplane', kinds: ['memory:'] });
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
