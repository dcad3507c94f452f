/**
 * The balancers of `deploy/` as processes: each is started from the very file in the repository, in which only addresses, ports
 * and places of logs are replaced.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { aptUnpack, missingLibraries, type Unpacked } from '../fixtures/apt.ts';
import { freePort } from '../fixtures/free-port.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { ROOT } from '../docs/blocks.ts';

/** Requests that may be made twice. */
export type Repeatable = 'read' | 'negotiate' | 'webhook' | 'keyed send';

export interface BalancerKind {
  readonly name: 'nginx' | 'HAProxy' | 'Caddy';
  /** In the repository. */
  readonly file: string;
  readonly packages: readonly [string, ...string[]];
  /** Where the program is in its package. */
  readonly program: string;
  /** What waits for instances and pages, and what keeps idle connections to instances: the seconds of each, in its file. */
  readonly durations: RegExp;
  /** What one instance refuses with 503 and another one is then given. */
  readonly repeats: readonly Repeatable[];
  /** Takes an instance out that drains, by asking for its health. */
  readonly asksHealth: boolean;
  /** The file as it is run, and how. */
  prepare(text: string, place: Prepared): { readonly text: string; readonly args: readonly string[] };
}

interface Prepared {
  readonly folder: string;
  /** Of the file that is run. */
  readonly file: string;
  readonly port: number;
}

export const kinds: readonly BalancerKind[] = [
  {
    name: 'nginx',
    file: 'deploy/nginx.conf',
    packages: ['nginx'],
    program: 'usr/sbin/nginx',
    durations: /(?<=\n *(?:proxy_(?:read|send)_timeout|keepalive_timeout) )(\d+)s(?=;)/g,
    repeats: ['read', 'negotiate', 'webhook', 'keyed send'],
    asksHealth: false,
    prepare(text, { folder, file, port }) {
      const main = join(folder, 'main.conf');
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      );
      writeFileSync(
        main,
        `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${folder}/pid;
        events { worker_connections 512; }
        http { ${temporary.join(' ')} include ${file}; }`,
      );
      const here = replaced(text, [
        [' 8080;', ` ${port};`, 1],
        ['/var/log/nginx/', `${folder}/log-`, 2],
      ]);
      return { text: here, args: ['-p', folder, '-c', main, '-e', `${folder}/log-main`] };
    },
  },
  {
    name: 'HAProxy',
    file: 'deploy/haproxy.cfg',
    packages: ['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'],
    program: 'usr/sbin/haproxy',
    durations: /(?<=\n *(?:timeout (?:client|server|tunnel)|default-server pool-purge-delay) )(\d+)s(?=\n)/g,
    repeats: ['read', 'negotiate', 'webhook', 'keyed send'],
    asksHealth: true,
    prepare: (text, { file, port }) => ({ text: replaced(text, [['bind :8080', `bind :${port}`, 1]]), args: ['-f', file] }),
  },
  {
    name: 'Caddy',
    file: 'deploy/Caddyfile',
    packages: ['caddy'],
    program: 'usr/bin/caddy',
    durations: /(?<=\n\t+keepalive )(\d+)s(?=\n)/g,
    repeats: [],
    asksHealth: true,
    prepare: (text, { file, port }) => ({
      text: replaced(text, [
        ['http://:8080 {', `http://:${port} {`, 1],
        ['\tgrace_period', '\tadmin off\n\tgrace_period', 1],
      ]),
      args: ['run', '--config', file, '--adapter', 'caddyfile'],
    }),
  },
];

/** What has to be replaced must be there, as often as is thought. */
function replaced(text: string, pairs: readonly (readonly [string, string, number])[]): string {
  return pairs.reduce((now, [from, to, times]) => {
    assert.equal(now.split(from).length - 1, times, `${from} was expected ${times} times`);
    return now.replaceAll(from, to);
  }, text);
}

export function sourceOf({ file }: BalancerKind): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Every balancer with its program, or why there is none. To be awaited before the first test is declared: tests begin at once. */
export function allInstalled(): Promise<readonly (readonly [BalancerKind, Unpacked | { readonly problem: string }])[]> {
  return Promise.all(kinds.map(async (kind) => [kind, await installed(kind)] as const));
}

/** The program, or why there is none. */
export async function installed(kind: BalancerKind): Promise<Unpacked | { readonly problem: string }> {
  const unpacked = await aptUnpack(...kind.packages);
  if ('problem' in unpacked) return unpacked;
  assert.deepEqual(missingLibraries(join(unpacked.root, kind.program), unpacked), [], `libraries for ${kind.name}`);
  return unpacked;
}

export interface BalancerOptions {
  readonly kind: BalancerKind;
  readonly unpacked: Unpacked;
  /** A folder for it alone. */
  readonly folder: string;
  readonly port: number;
  /** The ports of both instances, which may be the same one. */
  readonly instances: readonly [number, number];
  /** The long durations are divided by this. Default 1. */
  readonly faster?: number;
}

export class Balancer implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #kind: BalancerKind['name'];
  readonly #folder: string;
  #output = '';

  private constructor(child: ChildProcess, { kind, port, folder }: BalancerOptions) {
    this.#child = child;
    this.#kind = kind.name;
    this.#folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** Resolves when it accepts connections. */
  static async start(options: BalancerOptions): Promise<Balancer> {
    const { kind, unpacked, folder, port, instances, faster = 1 } = options;
    const file = join(folder, 'balancer.conf');
    const times = kind.name === 'Caddy' ? 2 : 1;
    const local = replaced(sourceOf(kind), [
      [' ringback-1:8080', ` 127.0.0.1:${instances[0]}`, times],
      [' ringback-2:8080', ` 127.0.0.1:${instances[1]}`, times],
    ]);
    assert.ok([...local.matchAll(kind.durations)].length >= 1, `durations in ${kind.file}`);
    const scaled = local.replaceAll(kind.durations, (seconds) => `${(Number.parseInt(seconds, 10) * 1000) / faster}ms`);
    const { text, args } = kind.prepare(scaled, { folder, file, port });
    writeFileSync(file, text);
    const env = { ...unpacked.environment, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
    const child = spawn(join(unpacked.root, kind.program), args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const balancer = new Balancer(child, options);
    try {
      await balancer.#accepts(port);
    } catch (error) {
      await balancer[Symbol.asyncDispose]();
      throw error;
    }
    return balancer;
  }

  /** Everything that it has logged anywhere, and said. */
  get log(): string {
    const files = readdirSync(this.#folder).filter((name) => name.startsWith('log-'));
    return [this.#output, ...files.map((name) => readFileSync(join(this.#folder, name), 'utf8'))].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'close');
    // nginx has a second process, which a SIGKILL of the first would leave behind; Caddy would wait for who is connected.
    this.#child.kill(this.#kind === 'nginx' ? 'SIGTERM' : 'SIGKILL');
    await ended;
  }

  async #accepts(port: number): Promise<void> {
    for (let tries = 0; tries < 1000; tries++) {
      if (this.#child.exitCode !== null) break;
      if (await canConnect(port)) return;
      await setTimeout(10);
    }
    throw new Error(`it does not listen: ${this.log}`);
  }
}

export async function canConnect(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}

export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  /** Of a balancer at this port. */
  readonly url: string;
}

/** A folder and a port for a balancer, known before it is started: instances are told its URL. */
export async function place(): Promise<Place> {
  const folder = await temporaryFolder();
  const port = await freePort();
  const end = async (): Promise<void> => folder[Symbol.asyncDispose]();
  return { folder: folder.path, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: end };
}

export const portOf = (url: string): number => Number(new URL(url).port);
