/**
 * One upload of a client as the method reads it. What has come waits here until it is asked for.
 */
import type { Parameter } from '../hub/parameter.ts';
import { forgettable } from '../hub/forgettable.ts';
import { HubError } from '../hub/hub-error.ts';

/** The call that the upload belongs to. */
export interface UploadCall {
  /** For how many things of its client the method waits just now. */
  waits: number;
}

/** What the uploads of a connection share. */
export interface UploadHome {
  readonly maximumItems: number;
  readonly maximumBytes: number;
  /** Of all of them, that wait to be read. */
  waitingBytes: number;
  /** Somebody reads. What {@link UploadStream.isBlocking} says may have changed. */
  onMove(): void;
}

type Result = IteratorResult<unknown, undefined>;

const over: Result = { value: undefined, done: true };

export class UploadStream implements AsyncIterableIterator<unknown, undefined> {
  readonly bind: Parameter;
  readonly #call: UploadCall;
  readonly #home: UploadHome;
  readonly #items: { readonly item: unknown; readonly bytes: number }[] = [];
  #bytes = 0;
  #isFull = false;
  readonly #readers: PromiseWithResolvers<Result>[] = [];
  /** No item comes any more; with an error if that is not how it should be. */
  #end: { readonly error: Error | undefined } | undefined;

  constructor(bind: Parameter, call: UploadCall, home: UploadHome) {
    this.bind = bind;
    this.#call = call;
    this.#home = home;
  }

  /** Nothing more should be read from the client: the method is busy, and with nothing that has yet to come. */
  get isBlocking(): boolean {
    const isFull = this.#isFull || (this.#items.length > 0 && this.#isHomeFull);
    return isFull && this.#call.waits === 0;
  }

  push(item: unknown, bytes: number): void {
    if (this.#end !== undefined) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      this.#call.waits--;
      reader.resolve({ value: item, done: false });
      return;
    }
    const { maximumItems, maximumBytes } = this.#home;
    if (this.#isHomeFull) {
      this.end(new HubError(`More than ${maximumBytes} bytes of streams wait to be read.`));
      return;
    }
    this.#items.push({ item, bytes });
    this.#keep(bytes);
    if (this.#items.length >= maximumItems) this.#isFull = true;
  }

  /** What has come until now can still be read. */
  end(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#isFull = false;
    this.#call.waits -= this.#readers.length;
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (error === undefined) resolve(over);
      else reject(error);
    }
    this.#home.onMove();
  }

  next(): Promise<Result> {
    return forgettable(this.#next());
  }

  /** The method wants no more of it. */
  async return(): Promise<Result> {
    this.drop();
    return over;
  }

  drop(): void {
    this.#items.length = 0;
    this.#keep(-this.#bytes);
    this.end();
    this.#end = { error: undefined };
    this.#home.onMove();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #next(): Promise<Result> {
    const first = this.#items.shift();
    if (first !== undefined) {
      this.#makeRoom(first.bytes);
      return { value: first.item, done: false };
    }
    if (this.#end !== undefined) {
      if (this.#end.error !== undefined) throw this.#end.error;
      return over;
    }
    const reader = Promise.withResolvers<Result>();
    this.#readers.push(reader);
    this.#call.waits++;
    this.#home.onMove();
    return await reader.promise;
  }

  /** Not for each item: that would be as much pausing as reading. */
  #makeRoom(bytes: number): void {
    const wasFull = this.#isFull || this.#isHomeFull;
    this.#keep(-bytes);
    if (!wasFull) return;
    this.#isFull &&= this.#items.length > this.#home.maximumItems / 2;
    this.#home.onMove();
  }

  get #isHomeFull(): boolean {
    return this.#home.waitingBytes >= this.#home.maximumBytes;
  }

  /** So many bytes more of this stream wait. */
  #keep(bytes: number): void {
    this.#bytes += bytes;
    this.#home.waitingBytes += bytes;
  }
}
