/**
 * Wakes the load at the times of its schedule, to well below a millisecond, which timers of Node cannot. A thread sleeps until
 * the next time and then says so; a time that comes while the last one is not yet taken is not said twice.
 */
import { Worker } from 'node:worker_threads';

export interface Score {
  /** The first time, on `process.hrtime`'s clock, in milliseconds. */
  readonly firstAt: number;
  readonly intervalMs: number;
  readonly count: number;
  /** Two cells: is a wake-up not yet taken, and is it over. */
  readonly cells: Int32Array;
}

export const IS_SAID = 0;
export const IS_OVER = 1;

export class Metronome {
  readonly #worker: Worker;
  readonly #cells = new Int32Array(new SharedArrayBuffer(8));

  /** @param onTime one or more of the times have come */
  constructor(schedule: { readonly inMs: number; readonly intervalMs: number; readonly count: number }, onTime: () => void) {
    const { inMs, intervalMs, count } = schedule;
    const workerData: Score = { firstAt: hrtimeMs() + inMs, intervalMs, count, cells: this.#cells };
    this.#worker = new Worker(new URL('metronome-thread.ts', import.meta.url), { workerData });
    this.#worker.on('message', () => {
      Atomics.store(this.#cells, IS_SAID, 0);
      onTime();
    });
  }

  async stop(): Promise<void> {
    Atomics.store(this.#cells, IS_OVER, 1);
    await this.#worker.terminate();
  }
}

/** The same in every thread, unlike `performance.now()`. */
export function hrtimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
