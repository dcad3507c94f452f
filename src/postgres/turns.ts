/**
 * Who may use one of a few things at once, and who waits for it: whoever came first, but those who only read leave some to the
 * others. Knows nothing of what is used.
 */
import { NoTurnError } from './faults.ts';

/** Kept from those who read: one for each batch of the writer, and one for the doorbell. */
const KEPT_FROM_READERS = 4;

export interface TurnsOptions {
  /** At once. */
  readonly size: number;
  /** How long somebody waits at most. */
  readonly waitMs: number;
}

interface Waiting {
  readonly arrival: number;
  readonly begin: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  isOver: boolean;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #readers = new Queue();
  readonly #others = new Queue();
  #arrivals = 0;
  #taken = 0;
  #takenByReaders = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with what ends the turn, to be called once.
   * @throws NoTurnError when it does not come in time
   */
  async take(isRead: boolean): Promise<() => void> {
    if (!this.#isFree(isRead) || this.#queue(isRead).first !== undefined) await this.#wait(isRead);
    else this.#count(isRead, 1);
    return () => {
      this.#count(isRead, -1);
      this.#next();
    };
  }

  /** Whoever waits now is told so. */
  giveUp(error: Error): void {
    for (const queue of [this.#readers, this.#others]) {
      for (let waiting = queue.first; waiting !== undefined; waiting = queue.first) {
        end(waiting);
        waiting.reject(error);
      }
    }
  }

  #wait(isRead: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { waitMs } = this.#options;
    const timer = setTimeout(() => {
      waiting.isOver = true;
      reject(new NoTurnError(waitMs));
    }, waitMs).unref();
    const waiting: Waiting = { arrival: ++this.#arrivals, begin: resolve, reject, timer, isOver: false };
    this.#queue(isRead).push(waiting);
    return promise;
  }

  #next(): void {
    for (let isRead = this.#nextIsRead(); isRead !== undefined; isRead = this.#nextIsRead()) {
      const waiting = this.#queue(isRead).first;
      if (waiting === undefined) return;
      end(waiting);
      this.#count(isRead, 1);
      waiting.begin();
    }
  }

  /** Undefined: nobody's turn has come. */
  #nextIsRead(): boolean | undefined {
    const reader = this.#isFree(true) ? this.#readers.first : undefined;
    const other = this.#isFree(false) ? this.#others.first : undefined;
    if (reader === undefined) return other === undefined ? undefined : false;
    return other === undefined || reader.arrival < other.arrival;
  }

  #isFree(isRead: boolean): boolean {
    const { size } = this.#options;
    return this.#taken < size && !(isRead && this.#takenByReaders >= Math.max(1, size - KEPT_FROM_READERS));
  }

  #count(isRead: boolean, by: 1 | -1): void {
    this.#taken += by;
    if (isRead) this.#takenByReaders += by;
  }

  #queue(isRead: boolean): Queue {
    return isRead ? this.#readers : this.#others;
  }
}

function end(waiting: Waiting): void {
  waiting.isOver = true;
  clearTimeout(waiting.timer);
}

/** Tens of thousands may stand in it, so that whoever leaves at its head must not move all others. */
class Queue {
  #items: Waiting[] = [];
  #head = 0;

  /** Who has waited longest, and still does. */
  get first(): Waiting | undefined {
    while (this.#items[this.#head]?.isOver === true) this.#head += 1;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return this.#items[this.#head];
  }

  push(waiting: Waiting): void {
    this.#items.push(waiting);
  }
}
