/** The methods of the store as data, to be carried to the worker and back. */
import type { ErrorCode } from '../../errors.ts';
import type { MarkedPosition, Store, StoreLimits, TransactionMarks } from '../store.ts';
import type { Refusal } from './database.ts';

export type Method = Exclude<keyof Store, symbol>;

/** Of a message that was stored, only what its sender does not have: the message itself need not cross the threads twice. */
export type StoredAnswer = readonly [id: string, sequence: number, storedAt: number];

/** Marks are many and small: those of one turn are one call. */
export interface MarkCall {
  readonly parameters: readonly [list: readonly TransactionMarks[]];
  readonly answer: readonly MarkedPosition[];
}

export type ParametersOf<M extends Method> = M extends 'mark' ? MarkCall['parameters'] : Parameters<Store[M]>;

export type Answer<M extends Method> = M extends 'mark'
  ? MarkCall['answer']
  : Awaited<ReturnType<Store[M]>> | (M extends 'append' ? StoredAnswer : never);

/** What each method does, at an instant given, with its own parameters. */
export type Operations<M extends Method = Method> = {
  readonly [Each in M]: (now: number, ...parameters: ParametersOf<Each>) => Answer<Each>;
};

export type Read =
  | 'read'
  | 'receipt'
  | 'versions'
  | 'transaction'
  | 'transactionsByReference'
  | 'findToken'
  | 'findCallback'
  | 'findTicket';
/** After these no byte of what they removed may be in any file. */
export type Removal = 'forget' | 'sweep';
export type Write = Exclude<Method, Read>;

export interface CallOf<M extends Method> {
  readonly method: M;
  readonly parameters: ParametersOf<M>;
}

export type Call<M extends Method = Method> = { readonly [Each in M]: CallOf<Each> }[M];

/** Everything that was asked while the worker was busy with the batch before. */
export interface Batch<Each = Call> {
  readonly now: number;
  readonly calls: readonly Each[];
}

export type CallResult =
  | { readonly value: unknown }
  | { readonly code: Extract<ErrorCode, 'store_unavailable' | 'internal_error'>; readonly cause: Error };

/** A call is named by its index in the batch. */
export type IndexedResult = readonly [index: number, result: CallResult];

export interface WorkerSettings {
  readonly file: string;
  readonly limits: StoreLimits;
  /** Whether connections in the file are those of a process that died. */
  readonly clear: boolean;
}

/** Asks the worker to close the file and end. */
export const CLOSE = 'close';

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly cause: Error }
  /** A batch may be answered in several parts; when all of it is answered, the next may come. */
  | { readonly kind: 'results'; readonly results: readonly IndexedResult[] }
  /** Something that does not concern a call. */
  | { readonly kind: 'trouble'; readonly event: string; readonly cause: Error };
