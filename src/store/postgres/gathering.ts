/**
 * Questions that are asked in one turn, or while others are on their way, become few statements. Knows nothing of what is asked.
 */
import { closed } from './writer.ts';

export interface GatheringOptions<Call, Answer> {
  /** Statements at once. */
  readonly lanes: number;
  /** What one statement carries, unless one call is more than that by itself; bounds what is in memory. */
  readonly most: number;
  /** What a call adds to that. Default: one. */
  readonly weigh?: (call: Call) => number;
  /** One answer for each call. */
  readonly ask: (calls: readonly Call[]) => Promise<readonly Answer[]>;
}

interface Pending<Call, Answer> {
  readonly call: Call;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathering<Call, Answer> implements AsyncDisposable {
  readonly #options: GatheringOptions<Call, Answer>;
  readonly #queue: Pending<Call, Answer>[] = [];
  #running = 0;
  #isFlushDue = false;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(options: GatheringOptions<Call, Answer>) {
    this.#options = options;
  }

  join(call: Call): Promise<Answer> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#queue.push({ call, resolve, reject });
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(() => {
        this.#isFlushDue = false;
        this.#flush();
      });
    }
    return promise;
  }

  /** What was asked before is answered before. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= Promise.withResolvers();
    this.#rest();
    return this.#closing.promise;
  }

  #flush(): void {
    while (this.#running < this.#options.lanes && this.#queue.length > 0) void this.#run(this.#take());
    this.#rest();
  }

  #take(): readonly Pending<Call, Answer>[] {
    const { most, weigh = () => 1 } = this.#options;
    let weight = 0;
    const end = this.#queue.findIndex(({ call }, index) => {
      weight += weigh(call);
      return index > 0 && weight > most;
    });
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end);
  }

  async #run(batch: readonly Pending<Call, Answer>[]): Promise<void> {
    this.#running += 1;
    try {
      const answers = await this.#options.ask(batch.map(({ call }) => call));
      if (answers.length !== batch.length) throw new TypeError(`expected ${batch.length} answers, got ${answers.length}`);
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#running -= 1;
    this.#flush();
  }

  #rest(): void {
    if (this.#running === 0 && this.#queue.length === 0) this.#closing?.resolve();
  }
}
