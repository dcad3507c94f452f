/**
 * The official client's connection, checked by the compiler against the contract of its hub. Types only: nothing of it is
 * left in a page.
 */
import type { HubConnection, IStreamResult } from '@microsoft/signalr';
import type { Contract } from './contract.ts';
import type { ArgumentsOf, Methods, NameOf, ResultOf } from './hub/hub-clients.ts';

/** The names of the methods that stream, or of those that do not. */
type StreamNames<M extends Methods> = {
  [Name in NameOf<M>]: ResultOf<M, Name> extends AsyncIterable<unknown> ? Name : never;
}[NameOf<M>];
type PlainNames<M extends Methods> = Exclude<NameOf<M>, StreamNames<M>>;

type ItemOf<M extends Methods, Name extends NameOf<M>> = ResultOf<M, Name> extends AsyncIterable<infer Item> ? Item : never;

/** What the client passes: a `Subject` of its package where the hub reads an upload. */
type Passed<Args extends readonly unknown[]> = {
  [Index in keyof Args]: Args[Index] extends AsyncIterable<infer Item> ? IStreamResult<Item> : Args[Index];
};

/** Where no result is expected, what it returns is nobody's business. */
type Handler<M extends Methods, Name extends NameOf<M>> = (
  ...args: ArgumentsOf<M, Name>
) => ResultOf<M, Name> extends void ? unknown : ResultOf<M, Name> | Promise<ResultOf<M, Name>>;

/**
 * `const connection: TypedConnection<Chat> = new HubConnectionBuilder().withUrl('/chat').build();`
 *
 * Dates and bytes are what the hub protocol makes of them: with JSON they arrive as texts.
 */
export interface TypedConnection<C extends Contract> extends Omit<HubConnection, 'invoke' | 'send' | 'stream' | 'on' | 'off'> {
  invoke<Name extends PlainNames<C['server']>>(
    name: Name,
    ...args: Passed<ArgumentsOf<C['server'], Name>>
  ): Promise<ResultOf<C['server'], Name>>;
  send<Name extends PlainNames<C['server']>>(name: Name, ...args: Passed<ArgumentsOf<C['server'], Name>>): Promise<void>;
  stream<Name extends StreamNames<C['server']>>(
    name: Name,
    ...args: Passed<ArgumentsOf<C['server'], Name>>
  ): IStreamResult<ItemOf<C['server'], Name>>;
  on<Name extends NameOf<C['client']>>(name: Name, handler: Handler<C['client'], Name>): void;
  off<Name extends NameOf<C['client']>>(name: Name, handler?: Handler<C['client'], Name>): void;
}
