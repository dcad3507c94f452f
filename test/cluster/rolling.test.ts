/**
 * A rolling restart under load: one instance after the other drains by SIGTERM, and a new process takes its place. Nothing is
 * lost, senders see nothing but 503 with Retry-After, and pages go on. `RINGBACK_LONG=1` for several rounds.
 */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { noPostgres } from '../fixtures/postgres.ts';
import { Instances } from './instances.ts';
import { Senders } from './senders.ts';
import { openVisitors } from './visitor.ts';

const ROUNDS = process.env['RINGBACK_LONG'] === '1' ? 5 : 1;
const VISITORS = 6;
/** Of a drain; and what a busy machine adds. */
const DRAIN_SECONDS = 1;
const BACK_WITHIN_MS = 15_000;

mock.method(console, 'warn', () => undefined);

test('a rolling restart under load loses nothing, and no sender is left alone', { skip: noPostgres }, async (t) => {
  await using instances = await Instances.start({ args: ['--drain-seconds', String(DRAIN_SECONDS)] });
  await using open = new AsyncDisposableStack();
  const { backEnd } = instances;
  const visitors = await openVisitors(instances, { open, count: VISITORS });
  const senders = open.use(new Senders(backEnd));
  senders.begin(visitors.map(({ id }) => id));
  let slowestMs = 0;
  for (let stop = 0; stop < 2 * ROUNDS; stop++) {
    const at = stop % 2;
    await eventually('the load is there', async () => visitors.every(({ id }) => senders.countOf(id) > 3 * (stop + 1)));
    assert.equal(await instances.drain(at), 0);
    const goneAt = performance.now();
    const before = visitors.map(({ sequences }) => sequences.length);
    await eventually('all pages handle what comes', async () =>
      visitors.every(({ sequences, state }, index) => state === 'open' && sequences.length > (before[index] ?? 0) + 1),
    );
    slowestMs = Math.max(slowestMs, performance.now() - goneAt);
    await instances.begin(at);
  }
  await senders.end();
  const losses = visitors.map((visitor) => visitor.losses);
  t.diagnostic(
    `${senders.answered} messages over ${2 * ROUNDS} restarts; pages lost their connection ${losses.join(', ')} times; the slowest was back ${Math.round(slowestMs)} ms after the end of a process; the longest send took ${Math.round(senders.longestMs)} ms; statuses ${JSON.stringify([...senders.statuses])}`,
  );
  assert.deepEqual(
    [...senders.statuses.keys()].filter((status) => status !== 202 && status !== 503),
    [],
    'a sender is answered, or told to come again',
  );
  assert.ok(
    losses.every((count) => count <= 2 * ROUNDS),
    'no page loses more than one connection with each instance',
  );
  assert.ok(
    losses.some((count) => count > 0),
    'pages were at an instance that was restarted',
  );
  assert.ok(slowestMs < BACK_WITHIN_MS, `${slowestMs} ms`);
  for (const visitor of visitors) await visitor.verify(senders, backEnd);
  await eventually('each page has one connection', async () => {
    const seen = await Promise.all(visitors.map(({ id }) => backEnd.transaction(id)));
    return seen.every(({ connections }) => connections.length === 1);
  });
});
