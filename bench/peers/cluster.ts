/** Ringback on PostgreSQL and Socket.IO on Redis, as one server and as several. */
import adapter from '@socket.io/redis-adapter/package.json' with { type: 'json' };
import socketIo from 'socket.io/package.json' with { type: 'json' };
import { needPostgres, startPostgres } from '../shared/postgres.ts';
import { needRedis, startRedis } from '../shared/redis.ts';
import { minimalServer, type Peer } from './peer.ts';
import { ringbackPeer, type RingbackOptions } from './ringback.ts';

type Arrangement = Required<Pick<Peer, 'servers' | 'posts'>>;

/** What stands behind the names. */
const ARRANGEMENTS: Readonly<Record<string, Arrangement>> = {
  1: { servers: 1, posts: 'anywhere' },
  2: { servers: 2, posts: 'anywhere' },
  '2-elsewhere': { servers: 2, posts: 'elsewhere' },
  '2-apart': { servers: 2, posts: 'apart' },
  4: { servers: 4, posts: 'anywhere' },
  '4-elsewhere': { servers: 4, posts: 'elsewhere' },
};

const WORDS = {
  anywhere: 'posted at any',
  elsewhere: 'always posted at another one than the page is at',
  apart: 'one is posted to, the other has the pages',
} as const satisfies Record<Arrangement['posts'], string>;

/** Peers of which a run with `--cluster` is. */
export const CLUSTER = [
  'ringback-sqlite-1',
  ...['1', '2', '2-elsewhere'].flatMap((name) => [`ringback-postgres-${name}`, `socket.io-redis-${name}`]),
];

/** Peers whose instances are measured by themselves. */
export const NODES = [
  'ringback-sqlite-1',
  ...['1', '2-elsewhere', '4-elsewhere', '2-apart'].map((name) => `ringback-postgres-${name}`),
];

export function clusterPeers(options: RingbackOptions): readonly Peer[] {
  const arranged = Object.entries(ARRANGEMENTS).flatMap(([name, arrangement]) => [
    onPostgres(name, arrangement, options),
    socketIoOnRedis(name, arrangement),
  ]);
  return [onSqlite(options), ...arranged];
}

/** For comparison: nothing is shared, and nothing can be. */
function onSqlite(options: RingbackOptions): Peer {
  return { ...ringbackPeer(options), name: `ringback-sqlite-1${variantOf(options)}` };
}

function onPostgres(name: string, arrangement: Arrangement, options: RingbackOptions): Peer {
  const peer = ringbackPeer(options);
  const title = `Ringback: API key, PostgreSQL (fsync, as initdb sets it up), tickets, receipts; ${wordsOf(arrangement)}`;
  return {
    ...peer,
    ...arrangement,
    name: `ringback-postgres-${name}${variantOf(options)}`,
    title: [title, ...(options.args ?? [])].join(' '),
    async prepare() {
      needPostgres();
      await peer.prepare?.();
    },
    shared: (isProfiled) => startPostgres(isProfiled === true ? { isProfiled } : {}),
  };
}

function socketIoOnRedis(name: string, arrangement: Arrangement): Peer {
  return {
    ...arrangement,
    name: `socket.io-redis-${name}`,
    title: `Socket.IO ${socketIo.version} with @socket.io/redis-adapter ${adapter.version} on Redis: no store, no checks; ${wordsOf(arrangement)}`,
    dialect: 'socket.io',
    prepare: needRedis,
    shared: startRedis,
    program: async (redis) => minimalServer('socket-io-redis.ts', redis?.url ?? ''),
  };
}

function variantOf({ variant }: RingbackOptions): string {
  return variant === undefined ? '' : ` ${variant}`;
}

function wordsOf({ servers, posts }: Arrangement): string {
  if (servers === 1) return 'one instance';
  return `${servers} instances, ${WORDS[posts]}`;
}
