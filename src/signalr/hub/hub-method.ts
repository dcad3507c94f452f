/**
 * The methods of a hub: how the app declares them, and how calls find them.
 */
import type { AnyMethods, Methods } from './hub-clients.ts';
import type { HubContext } from './hub-context.ts';
import { type AnyParameter, OptionalParameter, type Parameter, UploadParameter } from './parameter.ts';

/** A method that takes its arguments as they come: no check of their number or type. What it returns is the result. */
export type HubFunction<P, Items, Client extends Methods = AnyMethods> = (
  context: HubContext<P, Items, Client>,
  ...args: unknown[]
) => unknown;

/** A method with checks before the call; see `method()` for one whose argument types follow from its parameters. */
export interface DeclaredMethod<P, Items, Client extends Methods = AnyMethods> {
  /**
   * Another number of arguments, or one that does not fit, is answered with a binding error. Absent: anything goes, but for
   * streams of the client.
   */
  readonly parameters?: readonly AnyParameter[];
  /**
   * It returns a stream (an async iterable, an iterable, a `ReadableStream`) whose items go to the client one by one, no faster
   * than the client reads. Default: whether `run` is written as a generator.
   */
  readonly streaming?: boolean;
  /** Anything but true: answered with "… because user is unauthorized". */
  authorize?(context: HubContext<P, Items, Client>): boolean | Promise<boolean>;
  readonly run: HubFunction<P, Items, Client>;
}

export type HubMethod<P, Items = unknown, Client extends Methods = AnyMethods> =
  | HubFunction<P, Items, Client>
  | DeclaredMethod<P, Items, Client>;

/** With all that its declaration leaves out. */
export interface KnownMethod<P, Items, Client extends Methods> extends DeclaredMethod<P, Items, Client> {
  /** As the hub has it, whatever its case in a call. */
  readonly name: string;
  readonly streaming: boolean;
  /** Of its parameters, those that are no streams. */
  readonly sent: readonly Parameter[] | undefined;
  /** How many of these a call must have: those behind are optional. */
  readonly required: number;
  /** How many of its parameters are streams of the client. */
  readonly uploads: number;
}

/** @param name as the client has written it */
export type MethodLookup<P, Items = unknown, Client extends Methods = AnyMethods> = (
  name: string,
) => HubMethod<P, Items, Client> | undefined;

export type MethodFinder<P, Items, Client extends Methods> = (name: string) => KnownMethod<P, Items, Client> | undefined;

/**
 * Finds them without regard to case.
 * @throws TypeError when two names differ by nothing but case
 */
export function finderOf<P, Items, Client extends Methods>(
  methods: Readonly<Record<string, HubMethod<P, Items, Client>>>,
  otherwise?: MethodLookup<P, Items, Client>,
): MethodFinder<P, Items, Client> {
  const index = new Map<string, KnownMethod<P, Items, Client>>();
  for (const [name, method] of Object.entries(methods)) {
    const key = name.toLowerCase();
    if (index.has(key)) throw new TypeError(`the hub method ${name} exists twice; names differ by more than case`);
    index.set(key, known(name, method));
  }
  return (name) => {
    const found = index.get(name.toLowerCase());
    if (found !== undefined || otherwise === undefined) return found;
    const method = otherwise(name);
    return method && known(name, method);
  };
}

function known<P, Items, Client extends Methods>(
  name: string,
  method: HubMethod<P, Items, Client>,
): KnownMethod<P, Items, Client> {
  if (typeof method !== 'function' && !isDeclared(method))
    throw new TypeError(`the hub method ${name} must be a function, or made by method()`);
  const declared: DeclaredMethod<P, Items, Client> = typeof method === 'function' ? { run: method } : method;
  const { parameters, streaming = isGenerator(declared.run) } = declared;
  if (parameters?.every(isParameter) === false) {
    throw new TypeError(`each parameter of the hub method ${name} must be a function, such as text, or an upload()`);
  }
  const sent = parameters?.filter((parameter): parameter is SentParameter => !(parameter instanceof UploadParameter));
  return {
    ...declared,
    name,
    streaming,
    sent: sent?.map((parameter) => (parameter instanceof OptionalParameter ? parameter.check : parameter)),
    required: (sent?.findLastIndex((parameter) => !(parameter instanceof OptionalParameter)) ?? -1) + 1,
    uploads: (parameters?.length ?? 0) - (sent?.length ?? 0),
  };
}

type SentParameter = Exclude<AnyParameter, UploadParameter>;

/** What comes from JavaScript may be anything. */
export function isDeclared(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'run' in value && typeof value.run === 'function';
}

function isParameter(value: unknown): value is AnyParameter {
  return typeof value === 'function' || value instanceof UploadParameter || value instanceof OptionalParameter;
}

/** Told by the syntax it was written in, which compilation for old engines may take away. */
export function isGenerator(run: (...args: never[]) => unknown): boolean {
  return /^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(run));
}
