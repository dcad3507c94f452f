/**
 * A lock between processes: a folder that only one of them can make.
 *
 * Plain JavaScript for Node 18 and newer, built-ins only: it runs before anything is installed.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 100;
/** The holder touches its lock this often … */
const TOUCH_MS = 2_000;
/** … so a lock left alone for this long is dead, even if its process id now belongs to somebody else. */
const ABANDONED_MS = 20_000;

/**
 * Runs `work` while no other process holds the lock. A lock whose holder died is taken over.
 * @template T
 * @param {string} lock path of the folder; its parent exists
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait] called once, if another process holds the lock
 * @returns {Promise<T>}
 */
export async function withLock(lock, work, onWait = () => {}) {
  const graves = await acquire(lock, onWait);
  writeFileSync(join(lock, 'owner'), `${process.pid}-${randomUUID()}`);
  const heartbeat = setInterval(() => utimesSync(lock, new Date(), new Date()), TOUCH_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    for (const path of [lock, ...graves]) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * @param {string} lock
 * @param {() => void} onWait
 * @returns {Promise<string[]>} the dead locks that were moved out of the way
 */
async function acquire(lock, onWait) {
  const graves = [];
  let seen = '';
  let unchangedMs = 0;
  for (let turn = 0; !isMade(lock); turn += 1) {
    const owner = readOwner(lock);
    const state = `${owner} ${touchedAt(lock)}`;
    unchangedMs = state === seen ? unchangedMs + POLL_MS : 0;
    seen = state;
    if ((owner !== '' && !isAlive(owner)) || unchangedMs >= ABANDONED_MS) graves.push(bury(lock, owner));
    else {
      if (turn === 0) onWait();
      await delay(POLL_MS);
    }
  }
  return graves;
}

/** @param {string} lock */
function isMade(lock) {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * The grave is named for the dead owner and kept until we are done: a second undertaker, who looked before we moved it,
 * fails to rename onto it and so cannot bury the next holder.
 * @param {string} lock
 * @param {string} owner
 */
function bury(lock, owner) {
  const grave = `${lock}.${owner || 'nobody'}`;
  try {
    renameSync(lock, grave);
  } catch {
    // another undertaker was first, or the holder lives after all; the next turn will tell
  }
  return grave;
}

/** @param {string} lock */
function readOwner(lock) {
  try {
    return readFileSync(join(lock, 'owner'), 'utf8');
  } catch {
    return ''; // made or released this moment
  }
}

/** @param {string} lock */
function touchedAt(lock) {
  return statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
}

/** @param {string} owner */
function isAlive(owner) {
  try {
    process.kill(Number.parseInt(owner, 10), 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM'; // alive, but another user's
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
