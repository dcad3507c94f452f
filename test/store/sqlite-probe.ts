/**
 * Preloaded with `--import` into a process of {@link ./sqlite-process.ts}: writes down every crash point that the worker of
 * a store comes by, and when armed ends the process or the worker at one of them. Knows the points by name only.
 *
 * `PROBE_TRACE` names the file that gets one line a point; a file of that name with `.armed` arms it, once;
 * `PROBE_AT` is the point, `PROBE_ACTION` is `kill` (the process, by SIGKILL) or `exit` (the worker).
 */
import { appendFileSync, existsSync, rmSync } from 'node:fs';
import { subscribe } from 'node:diagnostics_channel';
import { isMainThread } from 'node:worker_threads';

const { PROBE_TRACE: trace = '', PROBE_AT: at, PROBE_ACTION: action } = process.env;

function onPoint(point: string, message: unknown): void {
  const isHit = point === at && existsSync(`${trace}.armed`);
  appendFileSync(trace, `${JSON.stringify({ point, message, isHit })}\n`);
  if (!isHit) return;
  rmSync(`${trace}.armed`);
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  // In a worker this ends the thread only.
  process.exit(1);
}

if (!isMainThread) {
  for (const point of ['inside-batch', 'before-commit', 'after-commit']) {
    subscribe(`ringback:sqlite.${point}`, (message) => onPoint(point, message));
  }
}
