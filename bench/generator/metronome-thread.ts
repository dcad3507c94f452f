/** The thread of the metronome: sleeps, and says when it is time. */
import { parentPort, workerData } from 'node:worker_threads';
import { hrtimeMs, IS_OVER, IS_SAID, type Score } from './metronome.ts';

const never = new Int32Array(new SharedArrayBuffer(4));

function beat({ firstAt, intervalMs, count, cells }: Score): void {
  for (let beats = 0; beats < count && Atomics.load(cells, IS_OVER) === 0; beats++) {
    const restMs = firstAt + beats * intervalMs - hrtimeMs();
    if (restMs > 0) Atomics.wait(never, 0, 0, restMs);
    if (Atomics.compareExchange(cells, IS_SAID, 0, 1) === 0) parentPort?.postMessage(0);
  }
}

const score: Score = workerData;
beat(score);
