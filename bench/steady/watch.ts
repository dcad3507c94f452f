/**
 * Loaded into the server before its program (`--import`): writes samples of its memory, its event loop's pauses and its
 * collections.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { FOLDER_VARIABLE, type Event, type Pause, type Sample } from './sample.ts';

const TICK_MS = 5;
const SAMPLE_MS = 1000;
/** A pause that is worth a line. */
const PAUSE_MS = 20;
const COLLECTION_MS = 5;

let pauses: Pause[] = [];
let collections: Event[] = [];
let longestPauseMs = 0;

function watchPauses(): void {
  let before = performance.now();
  let cpuBefore = threadMs();
  const tick = (): void => {
    const now = performance.now();
    const ms = Math.max(0, now - before - TICK_MS);
    const cpu = threadMs();
    const cpuMs = cpu - cpuBefore;
    before = now;
    cpuBefore = cpu;
    longestPauseMs = Math.max(longestPauseMs, ms);
    if (ms >= PAUSE_MS) pauses.push({ at: performance.timeOrigin + now, ms, cpuMs });
  };
  setInterval(tick, TICK_MS).unref();
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function watchCollections(): void {
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      if (duration >= COLLECTION_MS) collections.push({ at: performance.timeOrigin + startTime + duration, ms: duration });
    }
  }).observe({ entryTypes: ['gc'] });
}

function write(file: string): void {
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const memory = { rssBytes: rss, heapUsedBytes: heapUsed, heapTotalBytes: heapTotal };
  const sample: Sample = { at: Date.now(), ...memory, longestPauseMs, pauses, collections };
  appendFileSync(file, `${JSON.stringify(sample)}\n`);
  pauses = [];
  collections = [];
  longestPauseMs = 0;
}

const folder = process.env[FOLDER_VARIABLE];
if (isMainThread && folder !== undefined) {
  watchPauses();
  watchCollections();
  setInterval(() => write(join(folder, `${process.pid}.jsonl`)), SAMPLE_MS).unref();
}
