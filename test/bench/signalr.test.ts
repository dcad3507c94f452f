/** `npm run bench -- --signalr` in a tiny form: that it measures every scenario, and that its checker finds what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { machine } from '../../bench/machine.ts';
import { readOptions } from '../../bench/options.ts';
import { NODE_FLAGS } from '../../bench/peers/peer.ts';
import { callReport } from '../../bench/report/calls-table.ts';
import { type CallPlan, measureCalls } from '../../bench/signalr/measure.ts';
import type { RunnableHub } from '../../bench/signalr/peers.ts';
import { small } from '../../bench/signalr/scenarios.ts';

const skip = process.platform !== 'linux' && 'the benchmark reads /proc';
const FAULTY = fileURLToPath(new URL('faulty-hub.ts', import.meta.url));

const tiny: CallPlan = { rounds: 1, connectsAtOnce: 4, warmUpMs: 50, measureMs: 150, graceMs: 3000 };

test('every scenario is measured on Ringback and on Socket.IO, and nothing is lost', { skip }, async () => {
  const { signalr } = readOptions(['--signalr', '--quick']);
  assert.ok(signalr !== undefined);
  const few = small(small(signalr.scenarios));
  const lines: string[] = [];
  const run = await measureCalls({ ...signalr, scenarios: few, say: (line) => lines.push(line) }, tiny);
  assert.deepEqual(run.missing, []);
  assert.deepEqual(
    run.figures.map(({ scenario, peer }) => `${scenario}: ${peer}`),
    few.flatMap(({ name, isBinary, beside }) => [
      `${name}: ringback`,
      ...(isBinary === true || beside !== undefined ? [] : [`${name}: socket.io`]),
    ]),
  );
  for (const row of run.figures) {
    const title = `${row.scenario} of ${row.peer}`;
    assert.ok(row.calls > 10 && row.rate > 0 && row.p50 > 0 && row.p999 >= row.p50 && row.rssBytes > 1e7, title);
    assert.equal(row.lost + row.astray, 0, title);
  }
  assert.equal(lines.length, run.figures.length, 'progress is told');
  const report = callReport(run, tiny, machine());
  for (const { name } of few) assert.ok(report.includes(`### ${name}\n| one round | ringback |`), name);
});

test('a hub that loses, doubles and misroutes one text each is reported with exactly that', { skip }, async () => {
  const faulty: RunnableHub = {
    name: 'faulty',
    title: 'does three things wrong',
    speech: 'json',
    prepare: async () => undefined,
    program: () => ({ command: process.execPath, args: [...NODE_FLAGS, FAULTY] }),
  };
  const echo = { name: 'echo', method: 'Echo', connections: 10, callers: 10 } as const;
  const plan = { ...tiny, warmUpMs: 0, measureMs: 300, graceMs: 200 };
  const { figures } = await measureCalls({ peers: [faulty], scenarios: [echo], say: () => undefined }, plan);
  const [row] = figures;
  assert.ok(row !== undefined && row.calls > 40, 'the load went past the faults');
  assert.deepEqual([row.lost, row.astray], [2, 2], 'one is lost, one comes to another instead, and one comes again');
});
