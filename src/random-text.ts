/** Random text for ids and secrets. Knows nothing of what they are for. */
import { randomFillSync } from 'node:crypto';

/** Fetched many bytes at a time: a call for each id would be dear. */
const pool = Buffer.alloc(8192);
let used = pool.length;

/**
 * Base64url, safe in a URL as it stands. What was taken is wiped: a secret lies about no longer than its owner keeps it.
 * @param bytes of it, each of 8 random bits; 8192 at most
 */
export function randomText(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += bytes;
  const text = pool.toString('base64url', start, used);
  pool.fill(0, start, used);
  return text;
}
