/**
 * Looks every few seconds, where nodes share a store, whether anything has changed in the transactions that have readers here, and
 * rings for those that have. So whatever becomes of the rings of other nodes, every reader knows within a few seconds: message,
 * settling, revocation, forgetting and receipt alike. What only time changes readers know themselves.
 *
 * Costs one question for many transactions, and none where nobody reads.
 */
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Store } from '../store/store.ts';

/** From the beginning of one round to that of the next. What a reader waits for is at most 3 s late. */
export const PATROL_EVERY_MS = 2_500;
/** Transactions in one question. */
const SLICE = 1_000;

export interface PatrolOptions {
  readonly store: Pick<Store, 'versions'>;
  readonly backplane: Pick<Backplane, 'subscribed' | 'isSubscribed' | 'ringHere'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Patrol implements AsyncDisposable {
  readonly #options: PatrolOptions;
  /** As of the last look; undefined for one that is forgotten. */
  readonly #versions = new Map<string, number | undefined>();
  #timer: Timer | undefined;
  #run: Promise<void> = Promise.resolve();
  #isDisposed = false;

  constructor(options: PatrolOptions) {
    this.#options = options;
    this.#arm(PATROL_EVERY_MS);
  }

  /**
   * Looks at these now, as after rings may have been missed. One that was never looked at is rung: its readers may have read
   * before that.
   */
  look(transactionIds: readonly string[]): void {
    void this.#lookAt(transactionIds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#timer?.cancel();
    await this.#run;
  }

  #arm(delayMs: number): void {
    if (this.#isDisposed) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#run = this.#goRound();
    });
  }

  async #goRound(): Promise<void> {
    const { backplane, clock } = this.#options;
    const begunAt = clock.now();
    let slice: string[] = [];
    let count = 0;
    for (const transactionId of backplane.subscribed()) {
      count++;
      if (slice.push(transactionId) < SLICE) continue;
      await this.#lookAt(slice);
      slice = [];
      if (this.#isDisposed) return;
    }
    await this.#lookAt(slice);
    if (this.#versions.size > count) this.#forgetOthers();
    // A clock that was set meanwhile does not make the round longer.
    this.#arm(Math.min(PATROL_EVERY_MS, Math.max(0, begunAt + PATROL_EVERY_MS - clock.now())));
  }

  async #lookAt(transactionIds: readonly string[]): Promise<void> {
    const { store, logger } = this.#options;
    if (transactionIds.length === 0 || this.#isDisposed) return;
    try {
      const versions = await store.versions(transactionIds);
      transactionIds.forEach((transactionId, index) => this.#compare(transactionId, versions[index]));
    } catch (error) {
      // The next round asks again.
      logger.debug({ event: 'patrol.failed', error: String(error) });
    }
  }

  #compare(transactionId: string, version: number | undefined): void {
    const { backplane } = this.#options;
    if (this.#isDisposed || !backplane.isSubscribed(transactionId)) return;
    if (this.#versions.has(transactionId) && this.#versions.get(transactionId) === version) return;
    this.#versions.set(transactionId, version);
    backplane.ringHere(transactionId);
  }

  /** Nobody reads them any more. */
  #forgetOthers(): void {
    const { backplane } = this.#options;
    for (const transactionId of this.#versions.keys()) {
      if (!backplane.isSubscribed(transactionId)) this.#versions.delete(transactionId);
    }
  }
}
