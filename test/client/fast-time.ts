/**
 * Time that passes faster for everything in this process that goes by `setTimeout`: the client, the official client below it,
 * and a server in the same process. What is tested stays what users get; only its seconds are short. Those who wait for a
 * database or another instance wait as long as ever, since these are not faster than ever.
 */

/** So many seconds pass in one. */
let speed = 25;

const { setTimeout: start } = globalThis;

/** From the import on, for the whole process: each test file is one. */
Object.assign(globalThis, {
  setTimeout: Object.assign(
    (callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      start(callback, isForOthers() ? ms : ms / speed, ...args),
    start,
  ),
});

function isForOthers(): boolean {
  return /\/node_modules\/pg|\/src\/postgres\/|\/src\/server\/peers\//.test(new Error('where from').stack ?? '');
}

/** Real time, whatever it is set to. */
export function realTimeout(callback: () => void, ms: number): NodeJS.Timeout {
  return start(callback, ms);
}

/** Milliseconds of the fast time. */
export function now(): number {
  return performance.now() * speed;
}

/**
 * Slower, for all that begins until this is disposed of: for a test of waits that a busy machine must not make longer than
 * what the client allows for. {@link now} tells another time then, which is no time before or after it.
 */
export function slowed(to: number): Disposable {
  const before = speed;
  speed = to;
  return { [Symbol.dispose]: () => void (speed = before) };
}
