/**
 * How the SQLite store does with many transactions and messages in its file: append, read, receipt and open at several sizes,
 * the time of a start, and how retention removes all of it while others go on sending.
 *
 * By itself: `node --conditions=ringback-source bench/scale.ts [--transactions 1000000] [--messages 10000000] [--dir <folder>]`.
 * It needs some 0.5 KB of disk for each message, and removes what it made.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { MemoryBackplane } from '../src/backplane/memory.ts';
import { systemClock } from '../src/clock.ts';
import { silentLogger } from '../src/logger.ts';
import type { SqliteStore } from '../src/store/sqlite/sqlite.ts';
import { Sweeper } from '../src/transactions/sweeper.ts';
import { DATA_BYTES, fillFile, idOf, LIMITS, openScaleStore } from './scale-file.ts';

export interface ScaleOptions {
  readonly transactions: number;
  readonly messages: number;
  /** Where the files are made, and removed again. */
  readonly dir: string;
  readonly say: (line: string) => void;
}

/** Of one kind of call, many of which were made. */
export interface Cost {
  /** CPU of the whole process, all threads, for each. */
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface SizeReport {
  readonly transactions: number;
  readonly messages: number;
  readonly fileBytes: number;
  readonly startMs: number;
  /** After a kill, with a log that was not copied into the file yet. */
  readonly startAfterKillMs: number;
  readonly logBytesAtKill: number;
  readonly firstOpenMs: number;
  readonly costs: Readonly<Record<'append' | 'read' | 'receipt' | 'open', Cost>>;
}

export interface RetentionReport {
  readonly transactions: number;
  readonly seconds: number;
  readonly transactionsPerSecond: number;
  /** Of an append every few milliseconds meanwhile. */
  readonly append: Cost;
  /** The same for a while before it, for comparison: what the machine and its disk do by themselves. */
  readonly appendBefore: Cost;
  readonly fileBytes: number;
  readonly vacuumSeconds: number;
  readonly fileBytesAfterVacuum: number;
}

export interface ScaleReport {
  readonly sizes: readonly SizeReport[];
  readonly retention: RetentionReport;
}

const SAMPLES = 4000;
const AT_ONCE = 16;
const APPEND_EVERY_MS = 4;
const BEFORE_MS = 5000;
/** How long the log is at the kill; just below the length at which it is copied. */
const LOG_BYTES = 7e6;
const DATA = `{"text":"${'d'.repeat(DATA_BYTES - '{"text":""}'.length)}"}`;

/** Measures at nothing, a tenth, and all of what is asked for. */
export async function measureScale({ transactions, messages, dir, say }: ScaleOptions): Promise<ScaleReport> {
  const folder = mkdtempSync(join(dir, 'ringback-scale-'));
  try {
    const sizes: SizeReport[] = [];
    const messagesEach = Math.round(messages / transactions);
    for (const count of [1000, transactions / 10, transactions]) {
      const file = join(folder, `${count}.db`);
      const begin = performance.now();
      await fillFile(file, { transactions: count, messagesEach, endsAt: Date.now() + LIMITS.retentionMs });
      say(`${count} transactions written in ${seconds(begin)} s`);
      sizes.push(await measureSize(file, { transactions: count, messagesEach }));
      say(JSON.stringify(sizes.at(-1)));
      if (count !== transactions) rmSync(file);
    }
    const retention = await measureRetention(join(folder, `${transactions}.db`), transactions, say);
    say(JSON.stringify(retention));
    return { sizes, retention };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Size {
  readonly transactions: number;
  readonly messagesEach: number;
}

export async function measureSize(file: string, { transactions, messagesEach }: Size): Promise<SizeReport> {
  const fileBytes = statSync(file).size;
  await (await openScaleStore(file))[Symbol.asyncDispose]();
  const begin = performance.now();
  const store = await openScaleStore(file);
  const startMs = performance.now() - begin;
  const firstOpen = performance.now();
  await open(store, 0);
  const firstOpenMs = performance.now() - firstOpen;
  const random = (): string => idOf(1 + Math.floor(Math.random() * transactions));
  await verify(store, random(), messagesEach);
  const named = await Promise.all(Array.from({ length: SAMPLES }, () => lastMessageOf(store, random())));
  const costs = {
    append: await costOf(() => store.append({ transactionId: random(), type: 'note', data: DATA })),
    read: await costOf(() => store.read(random(), { after: 'acked', limit: 100 })),
    receipt: await costOf(async (index) => {
      const [transactionId, id] = named[index] ?? ['', ''];
      if ((await store.receipt(transactionId, id)) === undefined) throw new Error(`no receipt of ${id}`);
    }),
    open: await costOf((index) => open(store, index + 1)),
  };
  await store[Symbol.asyncDispose]();
  const { startAfterKillMs, logBytesAtKill } = await measureKill(file);
  const messages = transactions * messagesEach;
  return { transactions, messages, fileBytes, startMs, startAfterKillMs, logBytesAtKill, firstOpenMs, costs };
}

async function open(store: SqliteStore, index: number): Promise<void> {
  const name = `${process.pid}-${performance.now()}-${index}`;
  const { outcome } = await store.open({ id: `txn_${name}`, ttlMs: 60_000, token: { id: `tok_${name}`, hash: `hash ${name}` } });
  if (outcome !== 'opened') throw new Error(`a transaction could not be opened: ${outcome}`);
}

/** What was written by SQL is what the store reads. */
async function verify(store: SqliteStore, transactionId: string, messages: number): Promise<void> {
  const page = await store.read(transactionId, { after: 0, limit: 1000 });
  const isSound =
    page?.messages.length === messages &&
    page.lastSequence === messages &&
    page.ackedSequence === messages &&
    page.messages.every(({ data, sequence }, index) => data.length === DATA_BYTES && sequence === index + 1);
  if (!isSound) throw new Error(`the file does not hold what was written: ${JSON.stringify(page).slice(0, 300)}`);
}

async function lastMessageOf(store: SqliteStore, transactionId: string): Promise<readonly [transactionId: string, id: string]> {
  const page = await store.read(transactionId, { after: 0, limit: 1 });
  return [transactionId, page?.messages[0]?.id ?? ''];
}

async function costOf(call: (index: number) => Promise<unknown>): Promise<Cost> {
  const times: number[] = [];
  const before = process.cpuUsage();
  for (let start = 0; start < SAMPLES; start += AT_ONCE) {
    const begin = performance.now();
    const calls = Array.from({ length: AT_ONCE }, async (_each, index) => {
      await call(start + index);
      times.push(performance.now() - begin);
    });
    await Promise.all(calls);
  }
  return summary(times, process.cpuUsage(before));
}

function summary(times: readonly number[], { user, system }: NodeJS.CpuUsage): Cost {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
  return { cpuUs: (user + system) / times.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** A process that appends until its log is long, and kills itself. */
async function measureKill(file: string): Promise<Pick<SizeReport, 'startAfterKillMs' | 'logBytesAtKill'>> {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, '--kill', file], { stdio: 'inherit' });
  const [, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL') throw new Error(`the process that was to be killed ended by ${String(signal)}`);
  const logBytesAtKill = statSync(`${file}-wal`).size;
  const begin = performance.now();
  const store = await openScaleStore(file);
  const startAfterKillMs = performance.now() - begin;
  await store[Symbol.asyncDispose]();
  return { startAfterKillMs, logBytesAtKill };
}

async function appendAndDie(file: string): Promise<void> {
  const store = await openScaleStore(file);
  while ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) < LOG_BYTES) {
    const random = (): string => idOf(1 + Math.floor(Math.random() * 1000));
    await Promise.all(Array.from({ length: 500 }, () => store.append({ transactionId: random(), type: 'note', data: DATA })));
  }
  process.kill(process.pid, 'SIGKILL');
}

/** All that is in the file is due at once; new transactions take messages meanwhile. */
export async function measureRetention(
  file: string,
  transactions: number,
  say: (line: string) => void,
): Promise<RetentionReport> {
  let shiftMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + shiftMs };
  const store = await openScaleStore(file, { clock });
  shiftMs = 2 * LIMITS.retentionMs + 3_600_000;
  const id = `txn_live ${performance.now()}`;
  await store.open({ id, ttlMs: LIMITS.retentionMs, token: { id: 'tok', hash: id } });
  const appendBefore = await measureBefore(store, id);
  let left = transactions;
  const backplane = new MemoryBackplane();
  const done = Promise.withResolvers<void>();
  const counted = {
    async sweep(limit: number) {
      const result = await store.sweep(limit);
      left -= result.forgotten.length;
      if (left % 100_000 < result.forgotten.length) say(`${left} transactions left`);
      if (!result.more && left <= 0) done.resolve();
      return result;
    },
  };
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let isOver = false;
  {
    await using _sweeper = new Sweeper({ store: counted, backplane, clock: systemClock, logger: silentLogger });
    const appends = appendSteadily(store, id, () => isOver);
    await done.promise;
    isOver = true;
    const took = (performance.now() - begin) / 1000;
    const append = summary(await appends, process.cpuUsage(cpu));
    await _sweeper[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    const fileBytes = statSync(file).size;
    const vacuumSeconds = vacuum(file);
    return {
      transactions,
      seconds: took,
      transactionsPerSecond: transactions / took,
      append,
      appendBefore,
      fileBytes,
      vacuumSeconds,
      fileBytesAfterVacuum: statSync(file).size,
    };
  }
}

async function measureBefore(store: SqliteStore, transactionId: string): Promise<Cost> {
  const cpu = process.cpuUsage();
  const end = performance.now() + BEFORE_MS;
  return summary(await appendSteadily(store, transactionId, () => performance.now() >= end), process.cpuUsage(cpu));
}

/** The times from when each was due to when it was committed. */
async function appendSteadily(store: SqliteStore, transactionId: string, isOver: () => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  const pending = new Set<Promise<void>>();
  const start = performance.now();
  for (let count = 0; !isOver(); count += 1) {
    const due = start + count * APPEND_EVERY_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const append = store.append({ transactionId, type: 'note', data: DATA }).then((result) => {
      if (result.outcome !== 'stored') throw new Error(`an append was not stored: ${result.outcome}`);
      times.push(performance.now() - due);
      pending.delete(append);
    });
    pending.add(append);
  }
  await Promise.all(pending);
  return times;
}

/** Gives back the space of what is gone. The store must be closed. */
function vacuum(file: string): number {
  using database = new DatabaseSync(file);
  const begin = performance.now();
  database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  return (performance.now() - begin) / 1000;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      transactions: { type: 'string', default: '1000000' },
      messages: { type: 'string', default: '10000000' },
      dir: { type: 'string', default: tmpdir() },
      kill: { type: 'string' },
    },
  });
  if (values.kill !== undefined) await appendAndDie(values.kill);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const [transactions, messages] = [Number(values.transactions), Number(values.messages)];
  process.stdout.write(`${JSON.stringify(await measureScale({ transactions, messages, dir: values.dir, say }), undefined, 2)}\n`);
}
