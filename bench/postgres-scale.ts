/**
 * How the PostgreSQL store does with many transactions and messages in its database, beside one with next to nothing, in turns on
 * the same server: what each kind of call takes, the blocks it touches, how large tables and how deep indexes are.
 *
 * By itself: `node --conditions=ringback-source bench/postgres-scale.ts [--transactions 1000000] [--messages 10000000]`. It starts
 * a PostgreSQL of its own, with fsync on, needs some 1 KB of disk for each message, and removes what it made.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { systemClock } from '../src/clock.ts';
import { silentLogger } from '../src/logger.ts';
import { Pool } from '../src/postgres/pool.ts';
import { PostgresStore } from '../src/store/postgres/postgres.ts';
import type { Store } from '../src/store/store.ts';
import { PostgresServer } from '../test/fixtures/postgres.ts';
import { fillDatabase, idOf } from './postgres-fill.ts';
import { LIMITS } from './scale-file.ts';

const DATA_BYTES = 300;
const DATA = `{"text":"${'d'.repeat(DATA_BYTES - '{"text":""}'.length)}"}`;
const SAMPLES = 1_000;
const WARM = 50;
const TURNS = 2;
const DUE = 1_000;
const SETTINGS = [
  'shared_buffers=512MB',
  'max_wal_size=8GB',
  'checkpoint_timeout=30min',
  'maintenance_work_mem=512MB',
  'autovacuum=off',
];

type Call = (store: Store, number: number) => Promise<unknown>;

/** Each of a random transaction. */
const CALLS: Readonly<Record<string, Call>> = {
  append: (store, number) => store.append({ transactionId: idOf(number), type: 'order.paid', data: DATA }),
  'append with a key': (store, number) =>
    store.append({ transactionId: idOf(number), type: 'order.paid', data: DATA, key: `new ${Math.random()}` }),
  'append again': async (store, number) => {
    const data = (await firstOf(store, number)).data;
    return store.append({ transactionId: idOf(number), type: 'order.paid', data, key: `key ${number} 1` });
  },
  'open with a reference': (store) => {
    const id = `txn_${Math.random()}${Math.random()}`;
    return store.open({ id, ttlMs: 3_600_000, token: { id: 't', hash: `h ${id}` }, reference: `r ${id}` });
  },
  webhook: (store, number) =>
    store.receive({
      source: 'acme',
      eventHash: `${Math.random()}${Math.random()}`,
      recipient: { transactionId: idOf(number) },
      id: `evt_${Math.random()}`,
      type: 'order.paid',
      data: DATA,
    }),
  'read at attach': (store, number) => store.read(idOf(number), { after: 'acked', limit: 100 }),
  'read from the start': (store, number) => store.read(idOf(number), { after: 0, limit: 100 }),
  mark: (store, number) =>
    store.mark({ transactionId: idOf(number), marks: [{ kind: 'handled', upTo: 1e9, except: [], at: Date.now() }] }),
  'status of a message': async (store, number) => store.receipt(idOf(number), (await firstOf(store, number)).id),
  'status of a transaction': (store, number) => store.transaction(idOf(number)),
  'look for news of 1,000': (store, number) => store.versions(Array.from({ length: 1_000 }, (_, index) => idOf(number + index))),
};

async function firstOf(store: Store, number: number): Promise<{ readonly id: string; readonly data: string }> {
  const first = (await store.read(idOf(number), { after: 0, limit: 1 }))?.messages[0];
  if (first === undefined) throw new Error(`transaction ${number} has no messages`);
  return first;
}

class Subject implements AsyncDisposable {
  readonly transactions: number;
  readonly #url: string;
  readonly #times = new Map<string, number[]>();
  readonly #blocks = new Map<string, number>();
  readonly #pool: Pool;
  readonly store: PostgresStore;

  private constructor(url: string, transactions: number, opened: { readonly pool: Pool; readonly store: PostgresStore }) {
    this.#url = url;
    this.transactions = transactions;
    this.#pool = opened.pool;
    this.store = opened.store;
  }

  static async open(url: string, transactions: number): Promise<Subject> {
    const pool = new Pool({ url, logger: silentLogger });
    const store = await PostgresStore.open({ pool, clock: systemClock, limits: LIMITS });
    return new Subject(url, transactions, { pool, store });
  }

  async measure(name: string, call: Call): Promise<void> {
    const random = (): number => 1 + Math.floor(Math.random() * (this.transactions - 1_000));
    const samples = name.startsWith('look') ? SAMPLES / 20 : SAMPLES / TURNS;
    for (let index = 0; index < WARM && index < samples; index += 1) await call(this.store, random());
    const times = this.#times.get(name) ?? [];
    this.#times.set(name, times);
    const before = await this.#touched();
    for (let index = 0; index < samples; index += 1) {
      const begin = performance.now();
      await call(this.store, random());
      times.push(performance.now() - begin);
    }
    this.#blocks.set(name, ((await this.#touched()) - before) / samples);
  }

  /** @returns milliseconds for each of those that are forgotten */
  async sweep(): Promise<number> {
    const due = Array.from({ length: DUE }, (_, index) => index + 1);
    await this.run(`UPDATE ringback.transactions SET ends_at = 1 + tx WHERE tx = ANY ('{${due.join()}}')`);
    const begin = performance.now();
    let forgotten = 0;
    for (let more = true; more;) {
      const result = await this.store.sweep(DUE);
      forgotten += result.forgotten.length;
      more = result.more;
    }
    if (forgotten !== DUE) throw new Error(`expected ${DUE} to be forgotten, got ${forgotten}`);
    return (performance.now() - begin) / DUE;
  }

  costOf(name: string): string {
    const times = (this.#times.get(name) ?? []).toSorted((a, b) => a - b);
    const at = (part: number): string => (times[Math.floor(times.length * part)] ?? NaN).toFixed(2).padStart(7);
    return `${at(0.5)} ${at(0.99)} ${(this.#blocks.get(name) ?? NaN).toFixed(1).padStart(7)}`;
  }

  async run<Row extends object>(sql: string): Promise<readonly Row[]> {
    const client = new Client({ connectionString: this.#url });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Blocks of tables and indexes, wherever they came from. A session tells what it did when it has had nothing to do for a second. */
  async #touched(): Promise<number> {
    await delay(1_100);
    await this.store.versions([]);
    await delay(100);
    const [row] = await this.run<{
      blocks: string;
    }>(`SELECT (SELECT sum(heap_blks_hit + heap_blks_read) FROM pg_statio_user_tables WHERE schemaname = 'ringback')
      + (SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes WHERE schemaname = 'ringback') AS blocks`);
    return Number(row?.blocks);
  }
}

async function tell(subject: Subject, say: (line: string) => void): Promise<void> {
  await subject.run('CREATE EXTENSION IF NOT EXISTS pageinspect').catch(() => undefined);
  const sizes = await subject.run<{ name: string; rows: string; bytes: string; indexes: string }>(
    `SELECT c.relname AS name, c.reltuples::bigint AS rows, pg_relation_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS indexes
     FROM pg_class c WHERE c.relnamespace = 'ringback'::regnamespace AND c.relkind = 'r' AND c.reltuples >= 1000 ORDER BY 3 DESC`,
  );
  say('table: rows, MB, MB of indexes');
  for (const { name, rows, bytes, indexes } of sizes) say(`  ${name}: ${rows}, ${mb(bytes)}, ${mb(indexes)}`);
  const trees = await subject
    .run<{ name: string; bytes: string; level: string }>(
      `SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes, (bt_metap('ringback.' || c.relname)).level AS level
       FROM pg_class c WHERE c.relnamespace = 'ringback'::regnamespace AND c.relkind = 'i' AND c.reltuples >= 1000 ORDER BY 2 DESC`,
    )
    .catch(() => []);
  say('index: MB, levels above the leaves');
  for (const { name, bytes, level } of trees) say(`  ${name}: ${mb(bytes)}, ${level}`);
}

function mb(bytes: string): string {
  return (Number(bytes) / 1e6).toFixed(1);
}

async function measure(transactions: number, messagesEach: number): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  await using server = await PostgresServer.start(SETTINGS);
  await using small = await server.migrated();
  await using large = await server.migrated();
  const fill = { messagesEach, dataBytes: DATA_BYTES };
  const begin = performance.now();
  await fillDatabase(small.url, { ...fill, transactions: 2_000, say: () => undefined });
  await fillDatabase(large.url, { ...fill, transactions, say: (line) => void process.stderr.write(`${line}\n`) });
  say(`filled in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  await using one = await Subject.open(small.url, 2_000);
  await using other = await Subject.open(large.url, transactions);
  await tell(other, say);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, call] of Object.entries(CALLS)) for (const subject of [one, other]) await subject.measure(name, call);
  }
  say(
    `${''.padEnd(26)}${2_000} transactions        ${transactions} transactions\n${''.padEnd(26)}p50 ms  p99 ms  blocks    p50 ms  p99 ms  blocks`,
  );
  for (const name of Object.keys(CALLS)) say(`${name.padEnd(25)} ${one.costOf(name)}   ${other.costOf(name)}`);
  for (const subject of [one, other])
    say(`sweep of ${DUE} among ${subject.transactions}: ${(await subject.sweep()).toFixed(3)} ms for each`);
}

const { values } = parseArgs({
  options: { transactions: { type: 'string', default: '1000000' }, messages: { type: 'string', default: '10000000' } },
});
const transactions = Number(values.transactions);
await measure(transactions, Math.round(Number(values.messages) / transactions));
