/** The table of `--nodes`. Knows figures, not how they were measured. */
import { BODY_BYTES } from '../generator/body.ts';
import type { Idle, NodesReport, TableSize } from '../nodes.ts';
import type { StatementNote } from '../peers/peer.ts';

interface Line {
  readonly name: string;
  readonly digits: number;
  read(report: NodesReport): number | undefined;
}

const KB = 1024;
const MB = KB * KB;
const PAGES = 10_000;

/** What pages add to what the servers do anyway, for ten thousand of them. */
function more(report: NodesReport, part: 'servers' | 'shared'): number | undefined {
  const [idle, withPages] = [report.idle[part], report.idleWithPages[part]];
  return idle === undefined || withPages === undefined ? undefined : ((withPages - idle) / report.pages) * PAGES;
}

function of(share: (idle: Idle) => number | undefined, servers: number, idle: Idle): number | undefined {
  const value = share(idle);
  return value === undefined ? undefined : value / servers;
}

function rowsPerPage({ sizes, pages }: NodesReport): number | undefined {
  return sizes.length === 0 ? undefined : sizes.reduce((sum, { rows }) => sum + rows, 0) / pages;
}

/** With their indexes. */
function bytesPerRow(sizes: readonly TableSize[] | undefined, wanted: string): number | undefined {
  const found = sizes?.find(({ table }) => table === wanted);
  return found === undefined || found.rows === 0 ? undefined : found.bytes / found.rows;
}

function bytesIn(sizes: readonly TableSize[], tables: readonly string[]): number | undefined {
  const each = tables.map((table) => bytesPerRow(sizes, table));
  return each.some((bytes) => bytes === undefined) ? undefined : each.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0);
}

/** The statement with this word in its text, for each message; statements within functions are part of these. */
function noted(name: string, figure: 'calls' | 'us' | 'logBytes', word: string): Line {
  return {
    name,
    digits: figure === 'calls' ? 3 : 0,
    read({ statements, max }) {
      const found = statements.filter(({ text }: StatementNote) => !text.startsWith(' ') && text.includes(word));
      return statements.length === 0 ? undefined : found.reduce((sum, note) => sum + note[figure], 0) / max.arrived;
    },
  };
}

const DATA_BYTES = BODY_BYTES - '{"type":"note","data":}'.length;

const LINES: readonly Line[] = [
  { name: 'memory of a node at its start, MB', digits: 0, read: ({ startRssBytes, servers }) => startRssBytes / MB / servers },
  { name: 'connections to the database, a node', digits: 1, read: ({ databaseConnections }) => databaseConnections },
  { name: 'idle node: CPU, ms/s', digits: 1, read: ({ idle, servers }) => of((each) => each.servers, servers, idle) },
  {
    name: 'idle node: CPU of the database, ms/s',
    digits: 1,
    read: ({ idle, servers }) => of((each) => each.shared, servers, idle),
  },
  { name: 'idle node: commits, /s', digits: 2, read: ({ idle, servers }) => of((each) => each.commits, servers, idle) },
  { name: 'connects, /s', digits: 0, read: ({ connectsPerSecond }) => connectsPerSecond },
  { name: 'a connect: CPU of nodes, µs', digits: 0, read: ({ connectCpuUs }) => connectCpuUs },
  { name: 'a connect: CPU of the database, µs', digits: 0, read: ({ sharedConnectCpuUs }) => sharedConnectCpuUs },
  { name: 'a connect: commits', digits: 2, read: ({ connectCounts }) => connectCounts.commits },
  { name: 'a connect: log, bytes', digits: 0, read: ({ connectCounts }) => connectCounts.logBytes },
  { name: 'an idle page: memory of its node, KB', digits: 1, read: (report) => report.bytesPerPage / KB },
  { name: 'an idle page: rows in the database', digits: 2, read: rowsPerPage },
  {
    name: 'a transaction with its token: bytes in the database',
    digits: 0,
    read: ({ sizes }) => bytesIn(sizes, ['transactions', 'tokens']),
  },
  {
    name: 'a page: bytes in the database besides',
    digits: 0,
    read: ({ sizes }) => bytesIn(sizes, ['tickets', 'connections', 'readers']),
  },
  {
    name: 'a message: bytes in the database besides its data',
    digits: 0,
    read({ sizesAtEnd }) {
      const bytes = bytesPerRow(sizesAtEnd, 'messages');
      return bytes === undefined ? undefined : bytes - DATA_BYTES;
    },
  },
  { name: 'a receipt: bytes in the database', digits: 0, read: ({ sizesAtEnd }) => bytesPerRow(sizesAtEnd, 'receipts') },
  { name: 'a commit that does nothing else: ms', digits: 2, read: ({ commitMs }) => commitMs },
  { name: '10,000 idle pages: CPU of nodes, ms/s', digits: 0, read: (report) => more(report, 'servers') },
  { name: '10,000 idle pages: CPU of the database, ms/s', digits: 0, read: (report) => more(report, 'shared') },
  { name: 'full load, /s', digits: 0, read: ({ max }) => max.rate },
  {
    name: 'a message at full load: CPU of nodes, µs',
    digits: 0,
    read: ({ max }) => max.cpuPerMessage - (max.sharedCpuPerMessage ?? 0),
  },
  { name: 'a message at full load: CPU of the database, µs', digits: 0, read: ({ max }) => max.sharedCpuPerMessage },
  { name: 'a message at full load: commits', digits: 3, read: ({ max }) => max.countsPerMessage.commits },
  { name: 'a message at full load: log, bytes', digits: 0, read: ({ max }) => max.countsPerMessage.logBytes },
  noted('at full load: appends, statements a message', 'calls', 'append_all'),
  noted('at full load: appends, µs of the database a message', 'us', 'append_all'),
  noted('at full load: appends, log bytes a message', 'logBytes', 'append_all'),
  noted('at full load: marks, statements a message', 'calls', 'mark_all'),
  noted('at full load: marks, µs of the database a message', 'us', 'mark_all'),
  noted('at full load: marks, log bytes a message', 'logBytes', 'mark_all'),
  noted('at full load: rings, statements a message', 'calls', 'ring_nodes'),
  noted('at full load: rings, µs of the database a message', 'us', 'ring_nodes'),
  noted('at full load: reads, statements a message', 'calls', 'token_is_good'),
  noted('at full load: reads, µs of the database a message', 'us', 'token_is_good'),
  {
    name: 'at full load: CPU of the instance that is posted to, µs a message',
    digits: 0,
    read: ({ peer, max }) => (peer.endsWith('-apart') ? max.cpuPerMessageOfEach?.[0] : undefined),
  },
  {
    name: 'at full load: CPU of the instance with the pages, µs a message',
    digits: 0,
    read: ({ peer, max }) => (peer.endsWith('-apart') ? max.cpuPerMessageOfEach?.[1] : undefined),
  },
  { name: 'at 200/s: p50, ms', digits: 2, read: ({ slow }) => slow.p50 },
  { name: 'at 200/s: p99, ms', digits: 2, read: ({ slow }) => slow.p99 },
  { name: 'at 200/s: commits a message', digits: 3, read: ({ slow }) => slow.countsPerMessage.commits },
  {
    name: 'lost, doubled, misrouted, refused, not counted',
    digits: 0,
    read: ({ count }) =>
      Object.values(count.faults).reduce((sum: number, each: number) => sum + each, 0) + Math.abs(count.answered - count.counted),
  },
];

/** Lines of cells; the first is the head. */
export function nodesTable(reports: readonly NodesReport[]): string[][] {
  const lines = LINES.map(({ name, digits, read }) => [name, ...reports.map((report) => read(report)?.toFixed(digits) ?? '')]);
  return [['', ...reports.map(({ peer }) => peer)], ...lines.filter(([, ...cells]) => cells.some((cell) => cell !== ''))];
}
