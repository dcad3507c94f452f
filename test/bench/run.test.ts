/** The benchmark itself, in a tiny form: that it measures everything it says, and that its checker finds what is wrong. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { machine } from '../../bench/machine.ts';
import type { Peer } from '../../bench/peers/peer.ts';
import { ringbackPeer } from '../../bench/peers/ringback.ts';
import { socketIoPeer } from '../../bench/peers/socket-io.ts';
import { wsPeer } from '../../bench/peers/ws.ts';
import { writeResults } from '../../bench/report/files.ts';
import { faultsIn, figuresOf, summarize } from '../../bench/report/summary.ts';
import { terminalReport } from '../../bench/report/terminal.ts';
import { runRounds } from '../../bench/rounds.ts';
import type { Plan } from '../../bench/visit.ts';
import { temporaryFolder } from '../fixtures/server.ts';

const tiny: Plan = {
  connections: [20],
  memoryFrom: 10,
  rates: [500],
  rounds: 1,
  posters: 4,
  connectsAtOnce: 4,
  warmUpMs: 100,
  warmUpMessages: 0,
  warmUpRateMs: 50,
  measureMs: 200,
  settleMs: 50,
  graceMs: 3000,
};
const skip = process.platform !== 'linux' && 'the benchmark reads /proc';
const FAULTY = fileURLToPath(new URL('faulty-server.ts', import.meta.url));

test('a run measures every figure of every peer, loses nothing, and leaves its report', { skip }, async () => {
  await using folder = await temporaryFolder();
  const lines: string[] = [];
  const run = await runRounds([ringbackPeer(), wsPeer, socketIoPeer], tiny, (line) => lines.push(line));
  assert.deepEqual(run.missing, []);
  const rows = summarize(run.figures, tiny.rates);
  assert.deepEqual(
    rows.map(({ peer }) => peer),
    ['ringback', 'http+ws', 'socket.io'],
  );
  for (const { peer, figures, faults } of rows) {
    assert.equal(faults, 0, `faults of ${peer}`);
    for (const { name } of figuresOf(tiny.rates).filter(({ isOfShared }) => isOfShared !== true))
      assert.ok(Number.isFinite(figures[name]?.median), `${name} of ${peer}`);
    for (const name of ['max rate', 'p50 at 500/s', 'connects']) assert.notEqual(figures[name]?.median, 0, `${name} of ${peer}`);
  }
  for (const row of run.figures) {
    assert.ok(row.max.messages > 0 && row.at[500]?.arrived === 100, `${row.peer} got its messages`);
    assert.ok(row.answered >= row.max.arrived + 100, `the browsers of ${row.peer} answered`);
    assert.equal(row.counted, row.answered, `${row.peer} counted what its browsers answered`);
  }
  assert.ok(lines.length > run.figures.length, 'progress is told');
  assert.match(terminalReport(run, tiny), /max rate.*\n[^]*ringback ÷/);
  const [json = '', svg = '', markdown = ''] = await writeResults({ machine: machine(), plan: tiny, ...run }, folder.path);
  assert.deepEqual(JSON.parse(await readFile(json, 'utf8')).figures.length, 3);
  assert.match(await readFile(svg, 'utf8'), /^<svg [^]*max rate/);
  assert.match(await readFile(markdown, 'utf8'), /\| max rate, \/s \| \d/);
});

test(
  'a server that loses, doubles, misroutes, refuses and forgets one message each is reported with exactly that',
  { skip },
  async () => {
    const peer: Peer = {
      name: 'faulty',
      title: 'does five things wrong',
      dialect: 'ws',
      program: async () => ({ command: process.execPath, args: ['--disable-warning=ExperimentalWarning', FAULTY] }),
    };
    const plan: Plan = { ...tiny, connections: [5], graceMs: 2000, rates: [2000] };
    const { figures } = await runRounds([peer], plan, () => undefined);
    const [row] = figures;
    assert.ok(row !== undefined && row.answered > 300, 'the load went past the faults');
    assert.deepEqual(row.faults, { lost: 1, doubled: 1, misrouted: 1, disordered: 0, refused: 1 });
    assert.equal(row.answered - row.counted, 1);
    assert.equal(faultsIn(row), 5);
    assert.match(terminalReport({ figures, peers: [peer], missing: [] }, plan), /lost, doubled.* 5$/m);
  },
);
