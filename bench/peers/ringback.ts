/**
 * Ringback as its users run it: the package's program, built from the sources of a checkout, under the flags of our launcher,
 * with an SQLite file of its own unless several share a database.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SERVER_FLAGS } from '../../scripts/server-flags.mjs';
import { ORIGIN } from '../dialects/dialect.ts';
import { builtPackage } from './build.ts';
import type { Peer } from './peer.ts';

const HERE = fileURLToPath(new URL('../..', import.meta.url));

export interface RingbackOptions {
  /** Behind `ringback`, to tell it from others. */
  readonly variant?: string;
  /** Another checkout, to compare with; its packages are its own. Default: this one. */
  readonly checkout?: string;
  /** After `serve`. */
  readonly args?: readonly string[];
}

export function ringbackPeer({ variant, checkout = HERE, args = [] }: RingbackOptions = {}): Peer {
  const root = resolve(checkout);
  const apiKey = randomBytes(32).toString('hex');
  let built = '';
  return {
    name: variant === undefined ? 'ringback' : `ringback ${variant}`,
    title: ['Ringback: API key, SQLite (FULL), tickets, receipts', ...args].join(' '),
    dialect: 'ringback',
    async prepare() {
      built = await builtPackage(root);
    },
    async program(shared) {
      const folder = await mkdtemp(join(tmpdir(), 'ringback-bench-'));
      const main = join(built, 'dist', 'cli', 'main.js');
      const store = shared?.url ?? `sqlite:${join(folder, 'ringback.db')}`;
      const ours = ['--port', '0', '--store', store, '--drain-seconds', '2', '--allowed-origin', ORIGIN];
      return {
        command: process.execPath,
        args: [...SERVER_FLAGS, main, 'serve', ...ours, ...args],
        env: { RINGBACK_API_KEY: apiKey },
        folder,
        apiKey,
      };
    },
  };
}
