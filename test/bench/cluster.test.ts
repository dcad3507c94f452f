/** The benchmark of several servers in a tiny form: where it posts, what it counts, and that its checker finds what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readOptions } from '../../bench/options.ts';
import { clusterPeers } from '../../bench/peers/cluster.ts';
import { measureNodes } from '../../bench/nodes.ts';
import { NODE_FLAGS, type Peer } from '../../bench/peers/peer.ts';
import { nodesTable } from '../../bench/report/nodes-table.ts';
import { pairsOf } from '../../bench/report/pairs.ts';
import { faultsIn, figuresOf, summarize } from '../../bench/report/summary.ts';
import { terminalReport } from '../../bench/report/terminal.ts';
import { runRounds } from '../../bench/rounds.ts';
import type { Plan } from '../../bench/visit.ts';
import { noOwnPostgres } from '../fixtures/postgres.ts';
import { startFaultyBus } from './faulty-bus.ts';

const BUS_SERVER = fileURLToPath(new URL('bus-server.ts', import.meta.url));
const notLinux = process.platform !== 'linux' && 'the benchmark reads /proc';

const tiny: Plan = {
  connections: [20],
  memoryFrom: 10,
  rates: [300],
  rounds: 1,
  posters: 4,
  connectsAtOnce: 4,
  warmUpMs: 100,
  warmUpMessages: 0,
  warmUpRateMs: 50,
  measureMs: 300,
  settleMs: 50,
  graceMs: 1500,
};

for (const posts of ['anywhere', 'elsewhere', 'apart'] as const) {
  test(
    `several servers are posted to ${posts}, and what is lost, doubled and misrouted between them is reported`,
    { skip: notLinux },
    async () => {
      const peer: Peer = {
        name: 'bus-3',
        title: 'does three things wrong',
        dialect: 'ws',
        servers: 3,
        posts,
        shared: startFaultyBus,
        program: async (bus) => ({ command: process.execPath, args: [...NODE_FLAGS, BUS_SERVER, bus?.url ?? ''] }),
      };
      const { figures } = await runRounds([peer], tiny, () => undefined);
      const [row] = figures;
      assert.ok(row !== undefined && row.answered > 60, 'the load went past the faults');
      assert.deepEqual(row.faults, { lost: 1, doubled: 1, misrouted: 1, disordered: 0, refused: 0 });
      assert.equal(row.counted, row.answered, 'the answers are counted at all three');
      assert.equal(faultsIn(row), 3);
      const { commits = 0, commands = 0 } = row.at[300]?.countsPerMessage ?? {};
      assert.equal(commits, 1, 'each message of that load went over the bus');
      if (posts !== 'anywhere') assert.equal(commands, 0, 'none was posted where its page is');
      else assert.ok(commands > 0.1 && commands < 0.7, `a third was posted where its page is, not ${commands}`);
    },
  );
}

test(
  'Ringback on PostgreSQL and Socket.IO on Redis are measured, all of them and what they share, and lose nothing',
  { skip: notLinux || noOwnPostgres },
  async (t) => {
    const wanted = ['ringback-postgres-1', 'socket.io-redis-2-elsewhere'];
    const run = await runRounds(
      clusterPeers({}).filter(({ name }) => wanted.includes(name)),
      tiny,
      () => undefined,
    );
    for (const { peer, why } of run.missing) t.diagnostic(`${peer} was not measured: ${why}`);
    const rows = summarize(run.figures, tiny.rates);
    assert.deepEqual(
      rows.map(({ peer }) => peer),
      wanted.filter((name) => !run.missing.some(({ peer }) => peer === name)),
    );
    assert.ok(rows.length >= 1);
    for (const { peer, figures, faults } of rows) {
      assert.equal(faults, 0, `faults of ${peer}`);
      const counted = peer.startsWith('ringback') ? ['commits', 'log'] : ['commands'];
      const names = figuresOf(tiny.rates).filter((figure) => figure.isOfShared !== true);
      for (const { name } of names) assert.ok(Number.isFinite(figures[name]?.median), `${name} of ${peer}`);
      for (const name of counted) assert.ok((figures[`${name} at max`]?.median ?? 0) > 0, `${name} of ${peer}`);
      const shared = figures['CPU at max, of it PostgreSQL or Redis']?.median ?? Number.NaN;
      assert.ok(shared >= 0 && shared <= (figures['CPU at max']?.median ?? 0), `CPU of what ${peer} shares`);
    }
    assert.match(terminalReport(run, tiny), /commits at max, \/message +\d/);
  },
);

test(
  'what instances and idle pages cost is measured, by node, page, connect and message',
  { skip: notLinux || noOwnPostgres },
  async () => {
    const peers = clusterPeers({}).filter(({ name }) => name === 'ringback-postgres-2-elsewhere');
    const reports = await measureNodes(peers, { pages: 20, idleMs: 200, plan: tiny, say: () => undefined });
    const [report] = reports;
    assert.ok(report !== undefined);
    assert.deepEqual(
      report.sizes.flatMap(({ table, rows }) => (['connections', 'tokens'].includes(table) ? [rows] : [])),
      [20, 20],
    );
    assert.ok((report.databaseConnections ?? 0) >= 2, 'a line and a pool for each node');
    const [head = [], ...lines] = nodesTable(reports);
    assert.deepEqual(head, ['', 'ringback-postgres-2-elsewhere']);
    const figures = Object.fromEntries(lines.map(([name = '', figure]) => [name, Number(figure)]));
    for (const [name, figure] of Object.entries(figures)) assert.ok(Number.isFinite(figure), name);
    for (const name of [
      'connects, /s',
      'a connect: log, bytes',
      'full load, /s',
      'at 200/s: p50, ms',
      'a commit that does nothing else: ms',
    ])
      assert.ok((figures[name] ?? 0) > 0, name);
    if (report.statements.length > 0) {
      for (const what of ['appends', 'marks', 'rings', 'reads'])
        assert.ok((figures[`at full load: ${what}, statements a message`] ?? 0) > 0, what);
    }
    assert.equal(figures['lost, doubled, misrouted, refused, not counted'], 0);
  },
);

test('arrangements are compared with their like, then with their own first', () => {
  const names = [
    'ringback-sqlite-1',
    'ringback-postgres-1',
    'socket.io-redis-1',
    'ringback-postgres-2',
    'ringback-postgres-2 before',
    'socket.io-redis-2',
  ];
  assert.deepEqual(
    pairsOf(names).pairs.map(({ head }) => head),
    [
      'ringback-sqlite-1 ÷ socket.io-redis-1',
      'ringback-postgres-1 ÷ ringback-sqlite-1',
      'ringback-postgres-1 ÷ socket.io-redis-1',
      'ringback-postgres-2 ÷ ringback-postgres-2 before',
      'ringback-postgres-2 ÷ socket.io-redis-2',
      'ringback-postgres-2 ÷ ringback-postgres-1',
    ],
  );
  assert.deepEqual(
    pairsOf(['ringback', 'http+ws']).pairs.map(({ of, to }) => [of, to]),
    [['ringback', 'http+ws']],
  );
  assert.deepEqual(pairsOf(['http+ws', 'socket.io']).pairs, []);
});

test('--cluster measures one instance and two, and another checkout beside them', () => {
  const { peers, plan, name } = readOptions(['--cluster', '--against', '/somewhere/before']);
  assert.deepEqual([name, readOptions([]).name], ['cluster', 'results'], 'neither overwrites the other');
  const ours = peers.filter((peer) => peer.name.startsWith('ringback'));
  assert.deepEqual(
    ours.map(({ name, servers, posts }) => [name, servers, posts]),
    [
      ['ringback-sqlite-1', undefined, undefined],
      ['ringback-postgres-1', 1, 'anywhere'],
      ['ringback-postgres-2', 2, 'anywhere'],
      ['ringback-postgres-2-elsewhere', 2, 'elsewhere'],
      ['ringback-sqlite-1 before', undefined, undefined],
      ['ringback-postgres-1 before', 1, 'anywhere'],
      ['ringback-postgres-2 before', 2, 'anywhere'],
      ['ringback-postgres-2-elsewhere before', 2, 'elsewhere'],
    ],
  );
  assert.equal(peers.length - ours.length, 3);
  assert.ok(plan.rates.length > 0);
});
