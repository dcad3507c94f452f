/**
 * What a hub method says of its arguments: how each is checked, and which of them are streams.
 */

/** Turns one argument into what the method wants. Throws (anything) when it does not fit. */
export type Parameter<T = unknown> = (value: unknown) => T;

/** An argument that the client sends bit by bit, while the method runs. */
export class UploadParameter<T = unknown> {
  readonly item: Parameter<T>;

  constructor(item: Parameter<T>) {
    this.item = item;
  }
}

/** An argument that the client may leave out, if all behind it may be, too. */
export class OptionalParameter<T = unknown> {
  readonly check: Parameter<T | undefined>;

  constructor(item: Parameter<T>) {
    this.check = (value) => (value === undefined || value === null ? undefined : item(value));
  }
}

export type AnyParameter = Parameter | UploadParameter | OptionalParameter;

/**
 * What a method gets for its parameters, and what clients pass for them, as a contract says it. Behind an index, through which the
 * compiler does not look for what the parameters might be: it would take them from the contract, or from a `run` that ignores them.
 */
export type ArgumentsFor<Parameters extends readonly AnyParameter[]> = Sides<Parameters>['gets'];
export type PassedFor<Parameters extends readonly AnyParameter[]> = Sides<Parameters>['passed'];

type Sides<Parameters extends readonly AnyParameter[]> = Parameters extends unknown
  ? {
      readonly gets: { -readonly [Index in keyof Parameters]: Got<Parameters[Index]> };
      readonly passed: { -readonly [Index in keyof Parameters]: Passed<Parameters[Index]> };
    }
  : never;

type Got<One> = One extends UploadParameter<infer Item> ? AsyncIterableIterator<Item> : Value<One>;
type Passed<One> = One extends UploadParameter<infer Item> ? AsyncIterable<Item> : Value<One>;
type Value<One> = One extends OptionalParameter<infer T> ? T | undefined : One extends Parameter<infer T> ? T : never;

/**
 * A stream of the client. It fails with the client's text (a `HubError`) when the client says so, with a `HubError` at an item
 * that does not fit, and with an `AbortError` when the connection ends. It need not be read to its end, and can be read once.
 * While it is full nothing more is read from the client, unless the same call waits for something else of that client.
 * @param item checks each item; absent: anything goes
 */
export function upload(): UploadParameter;
export function upload<T>(item: Parameter<T>): UploadParameter<T>;
export function upload(item: Parameter = (value) => value): UploadParameter {
  return new UploadParameter(item);
}

/**
 * An argument that may be left out, or be null: the method gets undefined for it.
 * @param item checks it when it is there
 */
export function optional<T>(item: Parameter<T>): OptionalParameter<T> {
  return new OptionalParameter(item);
}
