/**
 * A Redis for servers under test: the one on PATH, else that of Debian's packages, unpacked below `.cache/`. It only passes
 * messages on, so it keeps nothing on the disk.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { aptUnpack } from '../../test/fixtures/apt.ts';
import { PeerMissing, type Shared } from '../peers/peer.ts';
import { ServerProcess } from '../server-process.ts';

const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1'] as const;
const READY = /Ready to accept connections/;

interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

let found: Promise<Program> | undefined;

/** @throws PeerMissing where there is none and none can be had */
export async function needRedis(): Promise<void> {
  await (found ??= find());
}

async function find(): Promise<Program> {
  if (spawnSync('redis-server', ['--version']).status === 0) return { command: 'redis-server', env: {} };
  const unpacked = await aptUnpack(...PACKAGES);
  if ('problem' in unpacked) throw new PeerMissing(`there is no redis-server, and none can be unpacked: ${unpacked.problem}`);
  const { LD_LIBRARY_PATH = '' } = unpacked.environment;
  return { command: join(unpacked.root, 'usr', 'bin', 'redis-server'), env: { LD_LIBRARY_PATH } };
}

export async function startRedis(): Promise<Shared> {
  const { command, env } = await (found ??= find());
  const folder = await mkdtemp(join(tmpdir(), 'ringback-redis-'));
  const port = await freePort();
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = await ServerProcess.start({ command, args, env, folder, ready: READY });
  const url = `redis://127.0.0.1:${port}`;
  const client = new Redis(url);
  return {
    name: 'Redis',
    url,
    pid: server.pid,
    async counts() {
      const info = await client.info('stats');
      return { commands: Number(/^total_commands_processed:(\d+)/m.exec(info)?.[1]) };
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return address.port;
}
