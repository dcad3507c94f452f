/**
 * Runs one child as if it were this process: it gets our signals, we get its end, and it does not outlive us.
 *
 * Plain JavaScript for Node 18 and newer, built-ins only.
 */
import { spawn } from 'node:child_process';

/** @type {NodeJS.Signals[]} */
const FORWARDED = ['SIGINT', 'SIGTERM'];
const LEASH = `--import=${new URL('./follow-parent.mjs', import.meta.url).href}`;

/**
 * How a child ended.
 * @typedef {object} End
 * @property {number | null} code
 * @property {NodeJS.Signals | null} signal what ended it
 * @property {NodeJS.Signals | null} interrupted what we were told meanwhile, and told it
 */

/**
 * @param {string} node path of the Node to run
 * @param {string[]} args Node's flags, the program, its arguments
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, output?: 'inherit' | 'stderr' }} options `stderr`: the child's stdout goes
 *   to our stderr, and it has no stdin
 * @returns {Promise<End>}
 */
export function supervise(node, args, options) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = options.output === 'stderr' ? ['ignore', 2, 2, 'ipc'] : ['inherit', 'inherit', 'inherit', 'ipc'];
  return new Promise((resolve, reject) => {
    // Never spawnSync: killed while in it, we would leave `npm ci` running into the next attempt.
    // The IPC channel is a leash: however we die, it closes, and follow-parent.mjs in the child sees that.
    const { cwd, env } = options;
    const child = spawn(node, [LEASH, ...args], { cwd, env: env ?? process.env, stdio });
    /** @type {NodeJS.Signals | null} */
    let interrupted = null;
    const forward = (/** @type {NodeJS.Signals} */ signal) => {
      interrupted = signal;
      child.kill(signal);
    };
    for (const signal of FORWARDED) process.on(signal, forward);
    const settle = () => {
      for (const signal of FORWARDED) process.off(signal, forward);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      settle();
      resolve({ code, signal, interrupted });
    });
  });
}

/**
 * Ends this process the way the child ended.
 * @param {Pick<End, 'code' | 'signal'>} end
 * @returns {never}
 */
export function leaveLike({ code, signal }) {
  if (signal !== null) process.kill(process.pid, signal);
  process.exit(code ?? 1);
}
