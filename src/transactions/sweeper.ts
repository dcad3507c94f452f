/** Removes what is due to be forgotten, in slices; tells the readers that are left, and of webhooks that nobody came for. */
import type { Backplane } from '../backplane/backplane.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Store } from '../store/store.ts';

/** Bytes must be gone within 5 s of their time. */
const SWEEP_EVERY_MS = 1_000;
/** Of each kind per commit, so that a backlog does not keep senders waiting. */
const SLICE = 100;

export interface SweeperOptions {
  readonly store: Pick<Store, 'sweep'>;
  readonly backplane: Pick<Backplane, 'ring'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of webhooks whose transaction was not opened in time: how many, by source. */
  readonly onUnclaimed?: (source: string, count: number) => void;
}

export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  #timer: Timer | undefined;
  #run: Promise<void> = Promise.resolve();
  #isDisposed = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#arm(SWEEP_EVERY_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#timer?.cancel();
    await this.#run;
  }

  #arm(delayMs: number): void {
    if (this.#isDisposed) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#run = this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    const { store, backplane, logger } = this.#options;
    let delayMs = SWEEP_EVERY_MS;
    try {
      const { forgotten, unclaimed, more } = await store.sweep(SLICE);
      for (const transactionId of forgotten) backplane.ring(transactionId);
      if (forgotten.length > 0) logger.debug({ event: 'transactions.forgotten', count: forgotten.length });
      this.#tellUnclaimed(unclaimed);
      // Between two slices everybody else has a turn.
      if (more) delayMs = 0;
    } catch (error) {
      logger.warn({ event: 'sweep.failed', error: String(error) });
    }
    this.#arm(delayMs);
  }

  #tellUnclaimed(sources: readonly string[]): void {
    const { logger, onUnclaimed } = this.#options;
    const counts = new Map<string, number>();
    for (const source of sources) counts.set(source, (counts.get(source) ?? 0) + 1);
    for (const [source, count] of counts) {
      logger.warn({ event: 'webhooks.unclaimed', source, count });
      onUnclaimed?.(source, count);
    }
  }
}
