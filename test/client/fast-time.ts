/**
 * Time that passes faster for everything in this process that goes by `setTimeout`: the client, the official client below it,
 * and a server in the same process. What is tested stays what users get; only its seconds are short.
 */

export const SPEED = 25;

const { setTimeout: start } = globalThis;

/** From the import on, for the whole process: each test file is one. */
Object.assign(globalThis, {
  setTimeout: Object.assign(
    (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => start(callback, ms / SPEED, ...args),
    start,
  ),
});

/** Real time, whatever it is set to. */
export function realTimeout(callback: () => void, ms: number): NodeJS.Timeout {
  return start(callback, ms);
}

/** Milliseconds of the fast time. */
export function now(): number {
  return performance.now() * SPEED;
}
