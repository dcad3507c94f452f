/**
 * Runs one child as if it were this process: it gets our signals, we get its end, and, if it is a Node, it does not outlive us.
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
 * @param {Options} options
 * @returns {Promise<End>}
 */
export function supervise(node, args, options) {
  // The IPC channel is a leash: however we die, it closes, and follow-parent.mjs in the child sees that.
  return follow(node, [LEASH, ...args], { ...options, leash: ['ipc'] });
}

/**
 * The same for a program that is no Node and so cannot be put on the leash: after `kill -9` of us it goes on to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {Options} options
 * @returns {Promise<End>}
 */
export function superviseForeign(program, args, options) {
  return follow(program, args, { ...options, leash: [] });
}

/**
 * @typedef {object} Options
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} [env]
 * @property {'inherit' | 'stderr'} [output] `stderr`: the child's stdout goes to our stderr, and it has no stdin
 */

/**
 * @param {string} program
 * @param {string[]} args
 * @param {Options & { leash: 'ipc'[] }} options
 * @returns {Promise<End>}
 */
function follow(program, args, { cwd, env, output, leash }) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = output === 'stderr' ? ['ignore', 2, 2, ...leash] : ['inherit', 'inherit', 'inherit', ...leash];
  return new Promise((resolve, reject) => {
    /** @type {NodeJS.Signals | null} */
    let interrupted = null;
    const forward = (/** @type {NodeJS.Signals} */ signal) => {
      interrupted = signal;
      child.kill(signal);
    };
    // Before there is a child: one that comes while it is being made would end us and leave it to itself. It is told later,
    // since no handler runs before this function has returned.
    for (const signal of FORWARDED) process.on(signal, forward);
    const settle = () => {
      for (const signal of FORWARDED) process.off(signal, forward);
    };
    // Never spawnSync: killed while in it, we would leave `npm ci` running into the next attempt.
    const child = spawn(program, args, { cwd, env: env ?? process.env, stdio });
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
