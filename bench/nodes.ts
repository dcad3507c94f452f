/**
 * `--nodes`: what an instance on PostgreSQL costs while nothing happens, what idle pages cost it and the database, and what a
 * delivery costs at one, two and four instances. Beside them an instance on SQLite, which pays for nothing that is shared.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { Deployment, type Reading } from './deployment.ts';
import type { CountResult } from './generator/commands.ts';
import { GeneratorProcess } from './generator-process.ts';
import { PeerMissing, type Peer, type StatementNote } from './peers/peer.ts';
import { measure, warmUp, type LoadFigures, type Plan } from './visit.ts';

/** What one node without pages is left alone for, so that its start is over. */
const START_MS = 3000;
const RATE = 200;
const COMMITS = 200;
/** Of the pages, those that warm the servers up before connects and memory are measured. */
const FIRST = 0.2;

/** Processor time a second, in milliseconds. */
export interface Idle {
  /** Of all servers together. */
  readonly servers: number;
  readonly shared?: number;
  readonly commits?: number;
}

export interface TableSize {
  readonly table: string;
  readonly rows: number;
  /** With its indexes. */
  readonly bytes: number;
}

export interface NodesReport {
  readonly peer: string;
  readonly servers: number;
  readonly pages: number;
  readonly startRssBytes: number;
  /** That the database has of each server. */
  readonly databaseConnections?: number;
  /** Median of a commit that does nothing else, in milliseconds: a flush of the disk, and the way there and back. */
  readonly commitMs?: number;
  /** After the loads. */
  readonly sizesAtEnd?: readonly TableSize[];
  readonly idle: Idle;
  readonly connectsPerSecond: number;
  readonly connectCpuUs: number;
  readonly sharedConnectCpuUs?: number;
  readonly connectCounts: Reading['counts'];
  readonly bytesPerPage: number;
  /** With all pages connected, and nothing sent. */
  readonly idleWithPages: Idle;
  /** With all pages connected. */
  readonly sizes: readonly TableSize[];
  /** At full load. */
  readonly max: LoadFigures;
  /** Of the database meanwhile. */
  readonly statements: readonly StatementNote[];
  readonly slow: LoadFigures;
  readonly count: CountResult;
}

export interface NodesOptions {
  readonly pages: number;
  /** How long nothing is done, twice: some beats of a lease, some rounds of the patrol, one ping of each page. */
  readonly idleMs: number;
  readonly plan: Plan;
  readonly say: (line: string) => void;
}

/** One after the other. @throws Error when a peer cannot be measured */
export async function measureNodes(peers: readonly Peer[], options: NodesOptions): Promise<readonly NodesReport[]> {
  const reports: NodesReport[] = [];
  for (const peer of peers) {
    try {
      await peer.prepare?.();
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      options.say(`SKIPPED ${peer.name}: ${error.message}`);
      continue;
    }
    reports.push(await measureOne(peer, options));
  }
  return reports;
}

async function measureOne(peer: Peer, { pages, idleMs, plan, say }: NodesOptions): Promise<NodesReport> {
  await using servers = await Deployment.start(peer, { isProfiled: true });
  await using generator = await GeneratorProcess.start(servers, { dialect: peer.dialect, graceMs: plan.graceMs });
  await pause(START_MS);
  const { startRssBytes, idle } = await measureStart(servers, idleMs);
  say(`${peer.name}: connecting ${pages}`);
  const connecting = await connect({ servers, generator }, pages, plan);
  say(`${peer.name}: ${Math.round(connecting.connectsPerSecond)} connects/s; now idle`);
  const sizes = servers.shared === undefined ? [] : await sizesIn(servers.shared.url);
  const idleWithPages = await measureIdle(servers, idleMs);
  say(`${peer.name}: full load`);
  await warmUp(generator, plan);
  await servers.shared?.statements?.();
  const max = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs });
  const statements = (await servers.shared?.statements?.()) ?? [];
  const slow = await measure({ servers, generator }, { posters: plan.posters, ms: plan.measureMs, rate: RATE });
  const count = await generator.count();
  const database = servers.shared === undefined ? {} : await databaseOf(servers.shared.url, peer);
  const report = { peer: peer.name, servers: peer.servers ?? 1, pages, startRssBytes, ...database, idle, ...connecting };
  return { ...report, idleWithPages, sizes, max, statements, slow, count };
}

async function measureStart(servers: Deployment, idleMs: number): Promise<Pick<NodesReport, 'startRssBytes' | 'idle'>> {
  const idle = await measureIdle(servers, idleMs);
  return { idle, startRssBytes: (await servers.read()).servers.rssBytes };
}

async function measureIdle(servers: Deployment, idleMs: number): Promise<Idle> {
  const before = await servers.read();
  await pause(idleMs);
  const after = await servers.read();
  const seconds = idleMs / 1000;
  const spent = (end: number, begin: number): number => (end - begin) / 1000 / seconds;
  const own = { servers: spent(after.servers.cpuUs, before.servers.cpuUs) };
  if (after.shared === undefined || before.shared === undefined) return own;
  const commits = ((after.counts.commits ?? 0) - (before.counts.commits ?? 0)) / seconds;
  return { ...own, shared: spent(after.shared.cpuUs, before.shared.cpuUs), commits };
}

interface Both {
  readonly servers: Deployment;
  readonly generator: GeneratorProcess;
}

type Connecting = Pick<
  NodesReport,
  'connectsPerSecond' | 'connectCpuUs' | 'sharedConnectCpuUs' | 'connectCounts' | 'bytesPerPage'
>;

async function connect({ servers, generator }: Both, pages: number, plan: Plan): Promise<Connecting> {
  const first = Math.ceil(pages * FIRST);
  await generator.connect(first, plan.connectsAtOnce);
  await pause(plan.settleMs);
  const before = await servers.read();
  const rest = pages - first;
  const { ms } = await generator.connect(rest, plan.connectsAtOnce);
  await pause(plan.settleMs);
  const after = await servers.read();
  const counts = (['commits', 'logBytes'] as const).map((name) => [
    name,
    ((after.counts[name] ?? 0) - (before.counts[name] ?? 0)) / rest,
  ]);
  const own = {
    connectsPerSecond: (rest / ms) * 1000,
    connectCpuUs: (after.servers.cpuUs - before.servers.cpuUs) / rest,
    connectCounts: after.shared === undefined ? {} : Object.fromEntries(counts),
    bytesPerPage: (after.servers.rssBytes - before.servers.rssBytes) / rest,
  };
  if (after.shared === undefined || before.shared === undefined) return own;
  return { ...own, sharedConnectCpuUs: (after.shared.cpuUs - before.shared.cpuUs) / rest };
}

async function sizesIn(url: string): Promise<TableSize[]> {
  await using database = await connected(url);
  const { rows } = await database.client.query<{ table: string; bytes: number }>(
    `SELECT c.relname AS table, pg_total_relation_size(c.oid)::float8 AS bytes FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ringback' AND c.relkind = 'r' ORDER BY bytes DESC`,
  );
  const sizes: TableSize[] = [];
  for (const { table, bytes } of rows) {
    const counted = await database.client.query<{ rows: number }>(`SELECT count(*)::float8 AS rows FROM ringback."${table}"`);
    sizes.push({ table, bytes, rows: counted.rows[0]?.rows ?? 0 });
  }
  return sizes;
}

async function databaseOf(
  url: string,
  { servers = 1 }: Peer,
): Promise<Pick<NodesReport, 'databaseConnections' | 'commitMs' | 'sizesAtEnd'>> {
  const databaseConnections = (await connectionsIn(url)) / servers;
  return { databaseConnections, commitMs: await commitMsOf(url), sizesAtEnd: await sizesIn(url) };
}

async function commitMsOf(url: string): Promise<number> {
  await using database = await connected(url);
  const times: number[] = [];
  while (times.length < COMMITS) {
    const begin = performance.now();
    await database.client.query(`SELECT pg_logical_emit_message(true, '', '')`);
    times.push(performance.now() - begin);
  }
  return times.toSorted((a, b) => a - b)[COMMITS >> 1] ?? Number.NaN;
}

/** Of all servers. */
async function connectionsIn(url: string): Promise<number> {
  await using database = await connected(url);
  const { rows } = await database.client.query<{ count: number }>(
    `SELECT count(*)::float8 AS count FROM pg_stat_activity WHERE application_name LIKE 'ringback%'`,
  );
  return rows[0]?.count ?? 0;
}

async function connected(url: string): Promise<{ readonly client: Client } & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}
