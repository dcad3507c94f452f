/**
 * The database is away, and comes back, after an orderly stop and after a crash: senders are told to come again, pages stay
 * connected, and everything goes on by itself. A few seconds each, or the whole minute with `RINGBACK_LONG=1`.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '../fixtures/eventually.ts';
import { request } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { noOwnPostgres, PostgresServer } from '../fixtures/postgres.ts';
import { Instances } from './instances.ts';
import { Senders } from './senders.ts';

const AWAY_MS = process.env['RINGBACK_LONG'] === '1' ? 60_000 : 3_000;
/** After this a sender has its 503: the store tries to come through for 6 s first. */
const REFUSED_WITHIN_MS = 12_000;
const BACK_WITHIN_MS = 10_000;

interface Scene {
  readonly postgres: PostgresServer;
  readonly instances: Instances;
  /** What is refused may be kept all the same: in this one, that nobody looks into. */
  readonly spareId: string;
  readonly ids: readonly string[];
  readonly pages: readonly Page[];
}

/** Pages at both instances, of each transport. */
async function openScene(open: AsyncDisposableStack, parts: Pick<Scene, 'postgres' | 'instances'>): Promise<Scene> {
  const { backEnd } = parts.instances;
  const ids: string[] = [];
  const pages: Page[] = [];
  for (const transport of ['WebSockets', 'WebSockets', 'LongPolling', 'LongPolling'] as const) {
    const opened = await backEnd.open();
    ids.push(opened.id);
    pages.push(open.use(await Page.open({ ...opened, transport })));
  }
  return { ...parts, spareId: (await backEnd.open()).id, ids, pages };
}

test(
  'while the database is away senders get 503 and pages stay, and when it is back all goes on by itself',
  { skip: noOwnPostgres },
  async (t) => {
    // What is committed must outlive its crash.
    await using postgres = await PostgresServer.start(['fsync=on']);
    await using instances = await Instances.start({ database: await postgres.migrated() });
    await using open = new AsyncDisposableStack();
    const scene = await openScene(open, { postgres, instances });
    const { pages, ids } = scene;
    const senders = open.use(new Senders(instances.backEnd));
    const connectionIds = pages.map(({ connection }) => connection.connectionId);
    for (const how of ['stop', 'kill'] as const) {
      for (const id of ids) await senders.send(id);
      await Promise.all(pages.map((page, index) => page.untilMessages(senders.countOf(ids[index] ?? ''))));
      await outage(scene, { how, senders, t });
      for (const [index, page] of pages.entries()) {
        await verify(scene, { index, senders });
        assert.equal(page.connection.connectionId, connectionIds[index], 'it is still the same connection');
        assert.ok(!page.calls.some(({ name }) => name === 'end' || name === 'reconnected'));
      }
      await rung(scene, senders);
    }
  },
);

async function outage(
  { postgres, instances, ids, pages, spareId }: Scene,
  { how, senders, t }: { readonly how: 'stop' | 'kill'; readonly senders: Senders; readonly t: TestContext },
): Promise<void> {
  const counts = ids.map((id) => senders.countOf(id));
  await postgres.stop(how);
  const awayAt = performance.now();
  senders.begin(ids);
  // Acks are taken in all the same: they are written behind.
  await Promise.all(pages.map((page) => page.ack(page.sequences.length)));
  await refused(instances, spareId);
  const refusedMs = Math.round(performance.now() - awayAt);
  assert.ok(refusedMs < REFUSED_WITHIN_MS, `refused after ${refusedMs} ms`);
  await wait(Math.max(0, AWAY_MS - refusedMs));
  await postgres.resume();
  const backAt = performance.now();
  await eventually('every sender gets through', async () =>
    ids.every((id, index) => senders.countOf(id) > (counts[index] ?? 0) + 1),
  );
  const backMs = Math.round(performance.now() - backAt);
  await senders.end();
  const statuses = JSON.stringify([...senders.statuses]);
  t.diagnostic(`${how}: senders were refused after ${refusedMs} ms, and got through ${backMs} ms after it was back; ${statuses}`);
  assert.ok(backMs < BACK_WITHIN_MS, `${backMs} ms`);
}

/** Whoever wants something of the store is told that it is away, and when to come again. */
async function refused({ backEnd }: Instances, id: string): Promise<void> {
  const bearer = 'rbtk_0000000000000000000000000000000000000000000';
  const answers = await Promise.all([
    backEnd.call('POST', `/v1/transactions/${id}/messages`, { json: { type: 'note', data: 1 } }),
    backEnd.call('GET', `/v1/transactions/${id}`),
    backEnd.call('POST', '/v1/transactions', { json: {} }),
    backEnd.call('GET', '/health/ready'),
    request('POST', `${backEnd.url}/hub/negotiate?negotiateVersion=1`, { bearer }),
  ]);
  for (const { status, headers, text } of answers) {
    assert.equal(status, 503, text);
    assert.match(headers.get('retry-after') ?? '', /^\d+$/);
  }
  assert.equal((await backEnd.call('GET', '/health/live')).status, 200);
}

/** What was acknowledged to the sender is at the page, once and in order, and acks of before, meanwhile and after are kept. */
async function verify(
  { instances: { backEnd }, ids, pages }: Scene,
  { index, senders }: { readonly index: number; readonly senders: Senders },
): Promise<void> {
  const [id = '', page] = [ids[index], pages[index]];
  assert.ok(page);
  await page.untilMessages(senders.countOf(id));
  assert.deepEqual(
    page.sequences,
    page.sequences.map((_, at) => at + 1),
  );
  await senders.verify(id);
  await page.ack(page.sequences.length);
  await eventually('its acks are kept', async () => {
    const { ackedSequence, connections } = await backEnd.transaction(id);
    return ackedSequence === page.sequences.length && connections.length === 1;
  });
}

/** That the doorbell is back, too: what is sent at either comes to all pages at once, not with the next patrol. */
async function rung({ ids, pages }: Scene, senders: Senders): Promise<void> {
  await eventually('rings come again', async () => {
    const startedAt = performance.now();
    for (const id of ids) await senders.send(id);
    await Promise.all(pages.map((page, index) => page.untilMessages(senders.countOf(ids[index] ?? ''))));
    return performance.now() - startedAt < 1_500;
  });
}
