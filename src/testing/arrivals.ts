/**
 * What has come in, in order: to be looked at as a whole, or waited for one by one.
 */

interface Waiter<T> {
  readonly isWanted: (value: T) => boolean;
  readonly resolve: (value: T) => void;
}

export class Arrivals<T> {
  readonly #all: T[] = [];
  /** Those that nobody has waited for yet. */
  readonly #fresh: T[] = [];
  readonly #waiters: Waiter<T>[] = [];

  get all(): readonly T[] {
    return this.#all;
  }

  add(value: T): void {
    this.#all.push(value);
    const index = this.#waiters.findIndex(({ isWanted }) => isWanted(value));
    if (index === -1) this.#fresh.push(value);
    else this.#waiters.splice(index, 1)[0]?.resolve(value);
  }

  /** The first that is wanted and was not handed out before, be it here already or yet to come. */
  next(isWanted: (value: T) => boolean = () => true): Promise<T> {
    const index = this.#fresh.findIndex(isWanted);
    const [value] = index === -1 ? [] : this.#fresh.splice(index, 1);
    if (value !== undefined) return Promise.resolve(value);
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#waiters.push({ isWanted, resolve });
    return promise;
  }
}
