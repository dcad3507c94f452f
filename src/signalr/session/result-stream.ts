/**
 * What a streaming method yields, on its way to the client: pulled no faster than the client reads.
 */

/** Where the items go. */
export interface ItemSink {
  readonly isWritable: boolean;
  /** Resolves when it may be writable again. */
  whenWritable(): Promise<void>;
}

type Items = AsyncIterable<unknown> | Iterable<unknown>;

export class ResultStream {
  #isCanceled = false;
  readonly #items: Items;
  /** Of an asynchronous source, which may be at work on an item when it is canceled. */
  readonly #iterator: AsyncIterator<unknown> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(items: Items) {
    if (Symbol.asyncIterator in items) {
      const iterator = items instanceof ReadableStream ? read(items) : items[Symbol.asyncIterator]();
      this.#iterator = iterator;
      this.#items = { [Symbol.asyncIterator]: () => iterator };
    } else {
      this.#items = items;
    }
  }

  /** Undefined if that is no stream. */
  static of(result: unknown): ResultStream | undefined {
    return isIterable(result) ? new ResultStream(result) : undefined;
  }

  get isCanceled(): boolean {
    return this.#isCanceled;
  }

  /**
   * Resolves at the end of the source, or when it has stopped because it was canceled.
   * @throws whatever the source throws
   */
  async writeTo(sink: ItemSink, write: (item: unknown) => void): Promise<void> {
    while (!sink.isWritable && !this.#isCanceled) await sink.whenWritable();
    if (!this.#isCanceled) await this.#pull(sink, write);
    await this.#closing;
  }

  /** Generators end at their next `yield`, others when they are told. */
  cancel(): void {
    if (this.#isCanceled) return;
    this.#isCanceled = true;
    this.#closing = this.#close();
    // That it failed is told by `writeTo`, when it comes to that.
    this.#closing.catch(() => undefined);
  }

  async #pull(sink: ItemSink, write: (item: unknown) => void): Promise<void> {
    for await (const item of this.#items) {
      if (this.#isCanceled) return;
      write(item);
      while (!sink.isWritable && !this.#isCanceled) await sink.whenWritable();
      if (this.#isCanceled) return;
    }
  }

  async #close(): Promise<void> {
    await this.#iterator?.return?.();
  }
}

function isIterable(value: unknown): value is Items {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

/** Its own iterator cannot be stopped while it waits for something to read. */
function read(stream: ReadableStream<unknown>): AsyncIterator<unknown> {
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    async return() {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}
