/**
 * When and how a server process ends: the first signal drains it, more of them within a second are the same wish (npm and
 * terminals send several), a later one ends it at once.
 */
import { constants } from 'node:os';
import { LONGEST_DELAY_MS, type Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { EXIT_DONE, EXIT_FAILED } from '../failure.ts';

const SAME_WISH_MS = 1000;
/** How much longer than it should a drain may take before it counts as hung. */
const GRACE_MS = 1000;
/** By which shells tell that a signal ended a process. */
const SIGNAL_EXIT = 128;

type StopSignal = 'SIGINT' | 'SIGTERM';

/** What {@link Stop.watch} needs of `process`. */
export interface SignalSource {
  readonly channel?: unknown;
  on(event: StopSignal | 'disconnect', listener: () => void): unknown;
  exit(code: number): unknown;
}

export interface StopOptions {
  readonly drainSeconds: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Stop {
  readonly #options: StopOptions;
  readonly #asked = Promise.withResolvers<void>();
  #askedAt: number | undefined;

  constructor(options: StopOptions) {
    this.#options = options;
  }

  /** Listens from now on: a signal during the start is heeded as soon as the server runs. */
  watch(source: SignalSource): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) source.on(signal, () => this.#onSignal(signal, source));
    // Only a parent that started us with a channel can be missed; its death asks for an end, but never for a sudden one.
    if (source.channel) source.on('disconnect', () => this.#ask('disconnect'));
  }

  /** Drains when asked to. Resolves with the exit code. */
  async run(drain: () => Promise<void>): Promise<number> {
    await this.#asked.promise;
    const { clock, drainSeconds, logger } = this.#options;
    const late = Promise.withResolvers<boolean>();
    const timer = clock.after(drainSeconds * 1000 + GRACE_MS, () => late.resolve(false));
    // With its sockets closed nothing else does: what is left to be done may wait for a timer, and ours keep no process alive.
    const alive = setInterval(() => undefined, LONGEST_DELAY_MS);
    try {
      const inTime = await Promise.race([drain().then(() => true), late.promise]);
      if (inTime) logger.info({ event: 'process.stopped' }, 'stopped');
      else logger.error({ event: 'process.drain_hung' }, 'the drain did not end in time');
      return inTime ? EXIT_DONE : EXIT_FAILED;
    } catch (error) {
      logger.error({ event: 'process.drain_failed', err: error }, 'the drain failed');
      return EXIT_FAILED;
    } finally {
      timer.cancel();
      clearInterval(alive);
    }
  }

  #onSignal(signal: StopSignal, source: SignalSource): void {
    const since = this.#askedAt === undefined ? 0 : this.#options.clock.now() - this.#askedAt;
    if (this.#askedAt !== undefined && since >= SAME_WISH_MS) source.exit(SIGNAL_EXIT + constants.signals[signal]);
    else this.#ask(signal);
  }

  #ask(cause: StopSignal | 'disconnect'): void {
    if (this.#askedAt !== undefined) return;
    this.#askedAt = this.#options.clock.now();
    this.#options.logger.info({ event: 'process.stopping', cause }, 'stopping');
    this.#asked.resolve();
  }
}
