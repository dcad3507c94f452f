/**
 * How many messages the PostgreSQL store takes: appends of 1, 8, 64 and 256 callers at once, each waiting for its commit, on a
 * PostgreSQL of its own with fsync on. With it what a message costs: commits, statements, and processor time on both sides.
 *
 * By itself: `node --conditions=ringback-source bench/postgres-appends.ts [--seconds 4] [--rounds 2]`.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../src/clock.ts';
import { silentLogger } from '../src/logger.ts';
import { Pool } from '../src/postgres/pool.ts';
import { PostgresStore } from '../src/store/postgres/postgres.ts';
import { hashSecret, newId } from '../src/transactions/secrets.ts';
import { PostgresServer } from '../test/fixtures/postgres.ts';
import { makeBody } from './generator/body.ts';
import { usageOf } from './process-tree.ts';
import { LIMITS } from './scale-file.ts';

interface Arrangement {
  readonly name: string;
  readonly callers: number;
  readonly instances: number;
  /** All callers append to this many transactions. */
  readonly transactions: number;
}

const ARRANGEMENTS: readonly Arrangement[] = [
  { name: '1 caller', callers: 1, instances: 1, transactions: 1 },
  { name: '8 callers', callers: 8, instances: 1, transactions: 8 },
  { name: '64 callers', callers: 64, instances: 1, transactions: 64 },
  { name: '256 callers', callers: 256, instances: 1, transactions: 256 },
  { name: '64 callers, one transaction', callers: 64, instances: 1, transactions: 1 },
  { name: '64 callers at two instances', callers: 64, instances: 2, transactions: 64 },
];

class Bench implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #pools: readonly Pool[];
  readonly #stores: readonly PostgresStore[];
  readonly #data = makeBody().toString();
  #statements = 0;

  private constructor(server: PostgresServer, pools: readonly Pool[], stores: readonly PostgresStore[]) {
    this.#server = server;
    this.#pools = pools;
    this.#stores = stores;
    for (const pool of pools) this.#countStatements(pool);
  }

  static async start(): Promise<Bench> {
    const server = await PostgresServer.start(['shared_buffers=512MB', 'max_wal_size=8GB']);
    const { url } = await server.migrated();
    const pools = [0, 1].map(() => new Pool({ url, logger: silentLogger }));
    const stores = await Promise.all(pools.map((pool) => PostgresStore.open({ pool, clock: systemClock, limits: LIMITS })));
    return new Bench(server, pools, stores);
  }

  /** @returns a line of the table */
  async run({ name, callers, instances, transactions }: Arrangement, ms: number): Promise<string> {
    const ids = Array.from({ length: transactions }, () => newId('txn'));
    const [first] = this.#stores;
    for (const id of ids) await first?.open({ id, ttlMs: 3_600_000, token: { id: newId('tok'), hash: hashSecret(id) } });
    const times: number[] = [];
    const before = await this.#counts();
    const begin = performance.now();
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        const store = this.#stores[caller % instances];
        const transactionId = ids[caller % ids.length] ?? '';
        for (let from = performance.now(); from < begin + ms;) {
          const result = await store?.append({ transactionId, type: 'note', data: this.#data });
          if (result?.outcome !== 'stored') throw new Error(`expected it to be stored, got ${result?.outcome}`);
          const to = performance.now();
          times.push(to - from);
          from = to;
        }
      }),
    );
    const seconds = (performance.now() - begin) / 1000;
    const after = await this.#counts();
    const each = (key: keyof typeof after): string => ((after[key] - before[key]) / times.length).toFixed(3).padStart(9);
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): string => (sorted[Math.floor(sorted.length * part)] ?? NaN).toFixed(2).padStart(8);
    const rate = (times.length / seconds).toFixed(0).padStart(8);
    return `${name.padEnd(28)}${rate}${at(0.5)}${at(0.99)}${each('commits')}${each('statements')}${each('nodeMs')}${each('serverMs')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [...this.#stores, ...this.#pools, this.#server]) await part[Symbol.asyncDispose]();
  }

  #countStatements(pool: Pool): void {
    const query = pool.query.bind(pool);
    pool.query = <Row extends object>(...args: Parameters<Pool['query']>) => {
      this.#statements += 1;
      return query<Row>(...args);
    };
  }

  async #counts(): Promise<Readonly<Record<'commits' | 'statements' | 'nodeMs' | 'serverMs', number>>> {
    const [row] = await this.#server.run<{ next: string }>('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next');
    const { user, system } = process.cpuUsage();
    const all = usageOf(process.pid).cpuUs;
    return {
      commits: Number(row?.next),
      statements: this.#statements,
      nodeMs: (user + system) / 1000,
      serverMs: (all - user - system) / 1000,
    };
  }
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, rounds: { type: 'string', default: '2' } },
});
await using bench = await Bench.start();
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`${''.padEnd(28)}per s     p50 ms  p99 ms  commits  statements  node ms  server ms, for each message`);
for (const arrangement of ARRANGEMENTS) await bench.run(arrangement, 500);
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const arrangement of ARRANGEMENTS) print(await bench.run(arrangement, Number(values.seconds) * 1000));
}
