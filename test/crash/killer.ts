/**
 * Preloaded (`--import`) into a server under test, in all of its threads: ends the process by SIGKILL when it meets a named
 * point for the nth time since it was armed, and first notes in a file that it really did.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync, existsSync } from 'node:fs';

const { CRASH_CHANNEL = '', CRASH_HIT = '1', CRASH_FILE = '', CRASH_LATER = '' } = process.env;

let met = 0;

function die(): void {
  appendFileSync(CRASH_FILE, `${CRASH_CHANNEL}${CRASH_LATER} ${CRASH_HIT}\n`);
  process.kill(process.pid, 'SIGKILL');
  // Nothing more may happen on this thread.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** Of Node's own channel for answers, those of accepted sends. */
function isMeant(message: unknown): boolean {
  if (CRASH_CHANNEL !== 'http.server.response.finish') return true;
  const { request, response } = Object(message);
  return request.method === 'POST' && request.url.endsWith('/messages') && response.statusCode === 202;
}

subscribe(CRASH_CHANNEL, (message) => {
  if (!isMeant(message) || !existsSync(`${CRASH_FILE}.armed`)) return;
  met++;
  if (met !== Number(CRASH_HIT)) return;
  // Later: when what was written in this turn has left, and nothing new has come in.
  if (CRASH_LATER === '') die();
  else setImmediate(die);
});
