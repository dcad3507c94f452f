/**
 * The messages of one connection whose handler failed: when each is to be sent again, and when it has failed for good.
 *
 * Knows no store and no connection; the attachment sends.
 */
import type { Clock, Timer } from '../clock.ts';

/** How long after its first, second … nack a message is sent again. After the last of these sendings a nack is final. */
const RETRY_DELAYS_MS = [1_000, 2_000, 4_000, 8_000];
const POSTPONE_MS = 1_000;

interface Retry {
  nacks: number;
  /** From its nack until it was sent again. */
  isWaiting: boolean;
  timer: Timer | undefined;
}

export class Redelivery implements Disposable {
  readonly #clock: Clock;
  readonly #sendAgain: (sequence: number) => void;
  /** Nacked and neither acked nor failed since, in the order of their first nack. */
  readonly #retries = new Map<number, Retry>();
  /** Those of which the last delivery has been nacked. */
  readonly #failed = new Set<number>();

  constructor(clock: Clock, sendAgain: (sequence: number) => void) {
    this.#clock = clock;
    this.#sendAgain = sendAgain;
  }

  /** Messages not yet sent wait while this is true. */
  get isPending(): boolean {
    return this.#retries.size > 0;
  }

  /** The nacked sequences below `sequence`: those that an ack of it does not cover. */
  below(sequence: number): number[] {
    return [...this.#retries.keys()].filter((nacked) => nacked < sequence);
  }

  /** Whether the message is yet to be sent again. */
  isWaiting(sequence: number): boolean {
    return this.#retries.get(sequence)?.isWaiting === true;
  }

  /**
   * The handler of a message failed. `failed`: that was its last delivery, and the message is no longer pending here. A
   * second nack of one delivery is the same nack; one more after the last begins nothing anew.
   */
  nack(sequence: number): 'waiting' | 'failed' {
    if (this.#failed.has(sequence)) return 'failed';
    const retry = this.#retries.get(sequence) ?? { nacks: 0, isWaiting: false, timer: undefined };
    if (retry.isWaiting) return 'waiting';
    const delay = RETRY_DELAYS_MS[retry.nacks];
    if (delay === undefined) {
      this.#retries.delete(sequence);
      this.#failed.add(sequence);
      return 'failed';
    }
    retry.nacks++;
    retry.isWaiting = true;
    this.#retries.set(sequence, retry);
    this.#arm(sequence, delay);
    return 'waiting';
  }

  /** It was sent again: a nack from now on is of this delivery. */
  sent(sequence: number): void {
    const retry = this.#retries.get(sequence);
    if (retry !== undefined) retry.isWaiting = false;
  }

  /** It could not be sent just now: the same delivery is tried again a little later. */
  postpone(sequence: number): void {
    this.#arm(sequence, POSTPONE_MS);
  }

  /** The message was handled after all, here or elsewhere. */
  settle(sequence: number): void {
    this.#retries.get(sequence)?.timer?.cancel();
    this.#retries.delete(sequence);
  }

  #arm(sequence: number, delayMs: number): void {
    const retry = this.#retries.get(sequence);
    if (retry === undefined) return;
    retry.timer = this.#clock.after(delayMs, () => {
      retry.timer = undefined;
      this.#sendAgain(sequence);
    });
  }

  [Symbol.dispose](): void {
    for (const retry of this.#retries.values()) retry.timer?.cancel();
    this.#retries.clear();
  }
}
