/**
 * Options as they come from an app, whose language need not be TypeScript: each mistake is told by the name of its option.
 */

export type Kind = 'string' | 'number' | 'boolean' | 'function' | 'object';

export interface OptionsTable<Options extends object> {
  /** Whose options these are, for the texts of errors. */
  readonly of: string;
  /** What `typeof` says of each. */
  readonly kinds: Readonly<Record<keyof Options, Kind>>;
  readonly required: readonly (keyof Options & string)[];
}

interface AnyTable {
  readonly of: string;
  readonly kinds: Readonly<Record<string, Kind>>;
  readonly required: readonly string[];
}

/** @throws TypeError when one is missing, unknown or of another kind; undefined counts as left out */
export function checkOptions(options: object, { of, kinds, required }: AnyTable): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`expected the options of ${of}, got ${kindOf(options)}`);
  for (const [name, kind] of Object.entries(kinds)) {
    const value: unknown = Reflect.get(options, name);
    const isMissing = value === undefined && required.includes(name);
    if (isMissing || (value !== undefined && kindOf(value) !== kind)) {
      throw new TypeError(
        `the option ${name} of ${of} must be ${kind.startsWith('o') ? 'an' : 'a'} ${kind}, got ${kindOf(value)}`,
      );
    }
  }
  // Objects of a class may have fields of their own.
  if (Object.getPrototypeOf(options) !== Object.prototype) return;
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined) {
    throw new TypeError(`unknown option ${unknown} of ${of}, expected one of ${Object.keys(kinds).join(', ')}`);
  }
}

/** Those that are given: undefined is no value, and hides no default. */
export function given<Options extends object>(options: Options): Options {
  const found = { ...options };
  for (const [name, value] of Object.entries(found)) if (value === undefined) Reflect.deleteProperty(found, name);
  return found;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
