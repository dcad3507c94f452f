/** Several `ringback serve` on one PostgreSQL, each a process that can be killed, behind a balancer without affinity; for a test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { OpenedTransaction } from '../../src/client/index.ts';
import { BackEnd } from '../fixtures/back-end.ts';
import { Balancer } from '../fixtures/balancer.ts';
import { temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { ServerProcess } from '../fixtures/server.ts';

const HEALTH_CHECK_MS = 100;

export interface InstancesOptions {
  /** How many. Default: 2. */
  readonly count?: number;
  /** With our schema. Default: a new one on the shared server. */
  readonly database?: TemporaryDatabase;
  /** After `serve`, for all of them. */
  readonly args?: readonly string[];
}

export class Instances implements AsyncDisposable {
  /** Through which everything is asked; each request, and each WebSocket, goes to the next one. */
  readonly balancer: Balancer;
  /** The same, but without WebSockets: pages behind it poll. */
  readonly polling: Balancer;
  readonly backEnd: BackEnd;
  readonly #database: TemporaryDatabase;
  readonly #processes: (ServerProcess | undefined)[] = [];
  readonly #args: readonly string[];
  /** Starting is most of the work. */
  readonly #cache = mkdtempSync(join(tmpdir(), 'ringback-cluster-'));

  private constructor(balancers: readonly [Balancer, Balancer], database: TemporaryDatabase, args: readonly string[]) {
    [this.balancer, this.polling] = balancers;
    this.polling.takesUpgrades = false;
    this.backEnd = new BackEnd(this.balancer.url);
    this.#database = database;
    this.#args = args;
  }

  static async start({ count = 2, database, args = [] }: InstancesOptions = {}): Promise<Instances> {
    const balancers = [await Balancer.start([]), await Balancer.start([])] as const;
    const instances = new Instances(balancers, database ?? (await temporaryDatabase()), args);
    // The first fills the cache of the others.
    for (let at = 0; at < count; at++) await instances.begin(at);
    for (const balancer of balancers) balancer.pick = inTurns(count);
    return instances;
  }

  get databaseUrl(): string {
    return this.#database.url;
  }

  /** @throws TypeError when it is not there now */
  at(at: number): ServerProcess {
    const server = this.#processes[at];
    if (server === undefined) throw new TypeError(`there is no instance ${at}`);
    return server;
  }

  /** What the instance at this place calls itself. */
  nodeOf(at: number): string {
    const line = /^.*"peers\.listening".*$/m.exec(this.at(at).stderr)?.[0] ?? '{}';
    return String(Object(JSON.parse(line)).node);
  }

  /** A new process takes this place; it gets requests when it accepts connections. */
  async begin(at: number): Promise<void> {
    const server = await ServerProcess.start({
      args: ['--store', this.#database.url, '--port', '0', '--public-url', this.balancer.url, ...this.#args],
      env: { NODE_COMPILE_CACHE: this.#cache },
    });
    this.#processes[at] = server;
    for (const balancer of [this.balancer, this.polling]) balancer.replace(at, server.url);
  }

  /** Kills it; until that is seen, it gets requests as before. */
  async kill(at: number): Promise<void> {
    await this.at(at).stop('SIGKILL');
    this.#leave(at);
    this.#processes[at] = undefined;
  }

  /** Drains it. As balancers do, these ask it now and then whether it is ready, and when it is not, they leave it alone. */
  async drain(at: number): Promise<number | NodeJS.Signals | null> {
    const server = this.at(at);
    server.child.kill('SIGTERM');
    while (await isReady(server)) await wait(HEALTH_CHECK_MS);
    this.#leave(at);
    this.#processes[at] = undefined;
    return await server.ended();
  }

  /** What a page needs, so that it comes through the balancer that lets it have this transport. */
  reach<Opened extends OpenedTransaction>(opened: Opened, transport: 'WebSockets' | 'LongPolling'): Opened {
    return transport === 'WebSockets' ? opened : { ...opened, hubUrl: this.polling.through(opened.hubUrl) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#processes) await server?.[Symbol.asyncDispose]();
    for (const balancer of [this.balancer, this.polling]) await balancer[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
    rmSync(this.#cache, { recursive: true, force: true });
  }

  #leave(at: number): void {
    for (const balancer of [this.balancer, this.polling]) balancer.replace(at, undefined);
  }
}

async function isReady({ backEnd }: ServerProcess): Promise<boolean> {
  const answer = await backEnd.call('GET', '/health/ready').catch(() => undefined);
  return answer?.status === 200;
}

/** Negotiations and WebSockets in turns of their own: so many pages are at each, in whatever order they come. */
function inTurns(count: number): Balancer['pick'] {
  const turns = { upgrade: 0, negotiate: 0 };
  return ({ url = '', headers }) => {
    if (headers.upgrade !== undefined) return turns.upgrade++ % count;
    return url.includes('/negotiate') ? turns.negotiate++ % count : undefined;
  };
}
