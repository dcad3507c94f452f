/**
 * What a hub and its clients have agreed on: the methods of both sides. Types only, so that a page can share them with the
 * server; what a client really sends is looked at by the parameters of a declared method.
 */
import type { ArgumentsOf, Methods, NameOf, ResultOf } from './hub/hub-clients.ts';
import type { HubContext } from './hub/hub-context.ts';
import type { HubOptions } from './hub/hub-options.ts';
import type { TypedMethod } from './hub/method.ts';

export interface Contract {
  /** What clients may call. Returns `AsyncIterable`: a stream; takes one: an upload. */
  readonly server: Methods;
  /** What the hub may call at a client. What it returns is the result of an `invoke` there. */
  readonly client: Methods;
}

type Uploads<Args extends readonly unknown[]> = unknown extends Args[number]
  ? never
  : Extract<Args[number], AsyncIterable<unknown>>;

/** Of its arguments only the number is known. One with uploads must be declared. */
type PlainFunction<C extends Contract, P, Items, Args extends readonly unknown[], Result> = [Uploads<Args>] extends [never]
  ? (context: HubContext<P, Items, C['client']>, ...args: { [Index in keyof Args]: unknown }) => Result
  : never;

type IsAny<T> = 0 extends T & 1 ? true : false;

/** What arrives is the method's own, and may be changed by it, whatever the contract says of lists. */
type Received<Args extends readonly unknown[]> = { [Index in keyof Args]: Writable<Args[Index]> };
type Writable<T> = T extends readonly unknown[] ? { -readonly [Index in keyof T]: T[Index] } : T;

/** What a generator function returns, sync or not. */
type Generated<Item> = Generator<Item, void> | AsyncGenerator<Item, void>;
type Streamed<Item> = Iterable<Item> | AsyncIterable<Item> | ReadableStream<Item>;

/**
 * One method: a plain function, which gets its arguments unchecked, or a declared one. A stream is a generator function, or
 * declared as streaming; uploads must be declared.
 */
type ServerMethod<C extends Contract, P, Items, Args extends readonly unknown[], Result> = [IsAny<Result>, Result] extends [
  false,
  AsyncIterable<infer Item>,
]
  ?
      | PlainFunction<C, P, Items, Args, Generated<Item>>
      | TypedMethod<P, Items, C['client'], Received<Args>, Streamed<Item> | Promise<Streamed<Item>>>
  :
      | PlainFunction<C, P, Items, Args, Result | Promise<Result>>
      | TypedMethod<P, Items, C['client'], Received<Args>, Result | Promise<Result>>;

export type ServerMethods<C extends Contract, P, Items> = {
  readonly [Name in NameOf<C['server']>]: ServerMethod<C, P, Items, ArgumentsOf<C['server'], Name>, ResultOf<C['server'], Name>>;
};

/** The options of a hub, with exactly the methods of its contract. */
export interface ContractOptions<C extends Contract, P, Items> extends Omit<
  HubOptions<P, Items, C['client']>,
  'methods' | 'otherwise'
> {
  readonly methods: ServerMethods<C, P, Items>;
}
