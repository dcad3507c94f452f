/** Instances on one PostgreSQL behind a balancer, with everything between them that can go wrong. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import { Balancer } from '../fixtures/balancer.ts';
import { PostgresServer } from '../fixtures/postgres.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { seeded } from '../fixtures/seeded.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { newSecret } from '../webhooks/provider.ts';
import { DatabaseProxy, ringFates } from './database-proxy.ts';
import { Instance } from './instance.ts';
import type { databaseFaults, Fault } from './plan.ts';

/** A crash of its processes loses nothing; nobody pulls the plug. */
const DATABASE_SETTINGS = ['fsync=off', 'full_page_writes=off'];
/** 30 s apart, and wrong by the database's, too. */
const CLOCKS_MS = [20_000, -10_000, 5_000];
/** Refuses connections: nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1';
/** What a dead node has left goes within this time. */
const LEFTOVERS_MS = 30_000;
const LOOK_EVERY_MS = 20;

const LEFT = `WITH living AS (SELECT node FROM ringback.nodes WHERE lease_until > clock_timestamp())
  SELECT 'node ' || node AS row FROM ringback.nodes WHERE node NOT IN (SELECT node FROM living)
  UNION ALL SELECT 'connection ' || id || ' of ' || node FROM ringback.connections WHERE node NOT IN (SELECT node FROM living)
  UNION ALL SELECT 'reader of ' || node FROM ringback.readers WHERE node NOT IN (SELECT node FROM living)`;

export interface WorldOptions {
  readonly instances: number;
  readonly seed: number;
  /** Logs of the instances are written there. */
  readonly logFolder?: string | undefined;
}

export class World implements AsyncDisposable {
  readonly instances: Instance[] = [];
  readonly secret: string = newSecret();
  readonly #stack: AsyncDisposableStack;
  readonly #postgres: PostgresServer;
  readonly #balancer: Balancer;
  /** Does not let WebSockets through. */
  readonly #narrow: Proxy;
  readonly #wide: Proxy;
  readonly #watching: NodeJS.Timeout;
  #servedMs = 0;
  #isCrashed = false;

  private constructor(stack: AsyncDisposableStack, parts: Parts) {
    this.#stack = stack;
    this.#postgres = parts.postgres;
    this.#balancer = parts.balancer;
    this.#narrow = parts.narrow;
    this.#wide = parts.wide;
    let lookedAt = performance.now();
    this.#watching = setInterval(() => {
      if (this.#isServing) this.#servedMs += performance.now() - lookedAt;
      lookedAt = performance.now();
    }, LOOK_EVERY_MS);
  }

  static async start({ instances, seed, logFolder }: WorldOptions): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const { path: folder } = stack.use(await temporaryFolder());
    const postgres = stack.use(await PostgresServer.start(DATABASE_SETTINGS));
    const balancer = stack.use(await Balancer.start(Array.from({ length: instances }, () => NOWHERE)));
    const [narrow, wide] = [stack.use(await Proxy.start(balancer.url)), stack.use(await Proxy.start(balancer.url))];
    narrow.refusesUpgrades = true;
    const world = new World(stack.move(), { postgres, balancer, narrow, wide });
    await world.#startInstances({ instances, seed, logFolder, folder });
    return world;
  }

  /** Of the balancer, which everybody reaches the instances by. */
  get url(): string {
    return this.#balancer.url;
  }

  /** The hub over networks that let WebSockets through, and that do not. */
  get hubUrls(): readonly string[] {
    return [`${this.#wide.url}/hub`, `${this.#narrow.url}/hub`];
  }

  /** For how long somebody has been there who had a database. */
  get servedMs(): number {
    return this.#servedMs;
  }

  hadTroubleSince(at: number): boolean {
    return this.instances.some(({ lastTroubleAt }) => lastTroubleAt > at);
  }

  /** Begins it; undefined where it cannot be now. Resolves when it is over. */
  befall({ kind, instance: number, forMs }: Fault): Promise<void> | undefined {
    const instance = this.instances[number];
    if (instance === undefined) throw new TypeError(`there is no instance ${number}`);
    switch (kind) {
      case 'kill':
      case 'stop':
      case 'freeze':
        return instance.isBusy ? undefined : instance[kind](forMs);
      case 'crash':
        return this.#isCrashed ? undefined : this.#crash(forMs);
      case 'pages':
        return this.#cutPages();
      default:
        return this.#disturb(instance, kind, forMs);
    }
  }

  /** All is well from now on, but for what is under way with processes; resolves when the instances run. */
  async calm(): Promise<void> {
    for (const { database } of this.instances) {
      for (const kind of ['stall', 'mute', 'refuse', ...ringFates] as const) this.#end(database, kind);
    }
    await Promise.all(this.instances.map((instance) => instance.rest()));
  }

  /** Balancers and proxies note everything, which a long run has no memory for. */
  forgetRequests(): void {
    for (const { requests } of [this.#balancer, this.#narrow, this.#wide]) requests.length = 0;
  }

  /** Rows of nodes that are no more, which have not gone in the time in which they have to. */
  async leftovers(): Promise<string[]> {
    const end = performance.now() + LEFTOVERS_MS;
    const client = new Client({ connectionString: this.#postgres.url });
    await client.connect();
    try {
      for (;;) {
        const left = (await client.query<{ readonly row: string }>(LEFT)).rows.map(({ row }) => row);
        // As long as its lease lasts a dead one looks like a living one: there is one too many.
        const nodes = (await client.query('SELECT FROM ringback.nodes')).rowCount;
        if (nodes !== this.instances.length) left.push(`${nodes} nodes of ${this.instances.length} instances`);
        if (left.length === 0 || performance.now() > end) return left;
        await setTimeout(LOOK_EVERY_MS);
      }
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watching);
    await this.#stack[Symbol.asyncDispose]();
  }

  get #isServing(): boolean {
    return !this.#isCrashed && this.instances.some(({ isBusy, database }) => !isBusy && !database.isDisturbed);
  }

  async #disturb(instance: Instance, kind: (typeof databaseFaults)[number], forMs: number): Promise<void> {
    const { database } = instance;
    instance.trouble();
    if (kind === 'cut') return database.cut();
    if (kind === 'stall') database.stall();
    else if (kind === 'mute') database.isMute = true;
    else if (kind === 'refuse') {
      database.isRefusing = true;
      database.cut();
    } else database.ringFate = kind;
    await setTimeout(forMs);
    this.#end(database, kind);
    instance.trouble();
  }

  async #startInstances({ instances, seed, logFolder, folder }: WorldOptions & { readonly folder: string }): Promise<void> {
    const configurationFile = join(folder, 'ringback.json');
    const acme = { preset: 'standard-webhooks', secrets: [this.secret], transaction: '/data/reference' };
    writeFileSync(configurationFile, JSON.stringify({ webhooks: { acme } }));
    if (logFolder !== undefined) mkdirSync(logFolder, { recursive: true });
    for (let number = 0; number < instances; number++) {
      const name = `instance ${number}`;
      const database = this.#stack.use(await DatabaseProxy.start(this.#postgres.url, seeded(seed + number)));
      const instance = new Instance({
        name,
        database,
        isDisturbed: () => this.#isCrashed || database.isDisturbed,
        clockMs: CLOCKS_MS[number % CLOCKS_MS.length] ?? 0,
        publicUrl: this.url,
        configurationFile,
        cache: join(folder, 'cache'),
        logFile: logFolder === undefined ? undefined : join(logFolder, `${name}.log`),
        onUp: (url) => this.#balancer.replace(number, url),
      });
      this.instances.push(this.#stack.use(instance));
    }
    await Promise.all(this.instances.map((instance) => instance.start()));
  }

  #end(database: DatabaseProxy, kind: Fault['kind']): void {
    if (kind === 'stall') database.resume();
    if (kind === 'refuse') database.isRefusing = false;
    if (database.ringFate === kind) database.ringFate = undefined;
    if (kind !== 'mute' || !database.isMute) return;
    database.isMute = false;
    // What was not heard cannot be heard later.
    database.cut();
  }

  async #crash(forMs: number): Promise<void> {
    this.#isCrashed = true;
    for (const instance of this.instances) instance.trouble();
    await this.#postgres.stop('kill');
    await setTimeout(forMs);
    await this.#postgres.resume();
    for (const instance of this.instances) instance.trouble();
    this.#isCrashed = false;
  }

  async #cutPages(): Promise<void> {
    this.#wide.cut();
    this.#narrow.cut();
  }
}

interface Parts {
  readonly postgres: PostgresServer;
  readonly balancer: Balancer;
  readonly narrow: Proxy;
  readonly wide: Proxy;
}
