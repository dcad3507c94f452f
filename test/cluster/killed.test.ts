/**
 * An instance is killed by `kill -9` under load: its pages go on at the others within seconds, nothing that was answered is lost
 * or handled twice, and what it has left in the table of connections goes by its lease. `RINGBACK_LONG=1` waits for that by the
 * real time, and kills more often. And one that is stopped (SIGSTOP): it still has its sockets, and says nothing.
 */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { GRACE_MS, LEASE_MS } from '../../src/postgres/nodes.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { noPostgres } from '../fixtures/postgres.ts';
import { shake } from '../signalr/raw-client.ts';
import { Instances } from './instances.ts';
import { Senders } from './senders.ts';
import { openVisitors, type Visitor } from './visitor.ts';

const IS_LONG = process.env['RINGBACK_LONG'] === '1';
const KILLS = IS_LONG ? 4 : 1;
const VISITORS = 6;
/** A page whose connection is lost sooner than this comes back later each time, so that it does no harm to what is ill. */
const LASTING_MS = 11_000;
/** For pages to be back, on a machine that has other things to do too. */
const WITHIN_MS = 15_000;

/** 3 s without a sign, counted each second; and what a busy machine adds. */
const GIVEN_UP_WITHIN_MS = 9_000;

mock.method(console, 'warn', () => undefined);

/** As if so much time had passed for a dead node, and for those that are to judge it. */
async function age(databaseUrl: string, node: string, ms: number): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(
    `UPDATE ringback.nodes SET held_since = held_since - $2 * interval '1 ms',
      lease_until = CASE node WHEN $1 THEN lease_until - $2 * interval '1 ms' ELSE lease_until END`,
    [node, ms],
  );
  await client.end();
}

/** A stock client that acks what it gets, and comes back by itself, behind each of the balancers. */
async function openStock(instances: Instances, open: AsyncDisposableStack): Promise<{ id: string; page: Page }[]> {
  const stock: { id: string; page: Page }[] = [];
  for (const transport of ['WebSockets', 'LongPolling'] as const) {
    const opened = await instances.backEnd.open();
    const page = await Page.open({
      ...instances.reach(opened, transport),
      transport,
      reconnects: 100,
      onMessage: ({ sequence }, { connection }) => void connection.send('ack', sequence).catch(() => undefined),
    });
    stock.push({ id: opened.id, page: open.use(page) });
  }
  return stock;
}

/** Each message once for each connection, in order: what was not acked by then comes again, and nothing else. */
function assertResumed({ sequences, calls }: Page): void {
  let highest = 0;
  for (const [index, sequence] of sequences.entries()) {
    const isAgain = sequence <= highest;
    assert.ok(isAgain || sequence === highest + 1, `${sequence} after ${highest}`);
    if (isAgain)
      assert.ok(
        calls.some(({ name }) => name === 'reconnected'),
        `${sequence} came again, as number ${index}`,
      );
    highest = Math.max(highest, sequence);
  }
}

test('pages of an instance that is killed go on elsewhere, and handle each message once', { skip: noPostgres }, async (t) => {
  await using instances = await Instances.start();
  await using open = new AsyncDisposableStack();
  const { backEnd } = instances;
  const visitors = await openVisitors(instances, { open, count: VISITORS });
  const stock = await openStock(instances, open);
  const senders = open.use(new Senders(backEnd));
  senders.begin([...visitors, ...stock].map(({ id }) => id));
  let slowestMs = 0;
  let dead = '';
  for (let kill = 0; kill < KILLS; kill++) {
    const at = kill % 2;
    await eventually('the load is there', async () => visitors.every(({ id }) => senders.countOf(id) > 3 * (kill + 1)));
    if (kill > 0) await wait(LASTING_MS);
    const nodes = await nodesOf(instances, visitors);
    // Later all of them are where the one before has left them: at the next to be killed.
    if (kill === 0) assert.equal(nodes.size, 2, 'pages are at both');
    dead = instances.nodeOf(at);
    assert.ok(nodes.has(dead), `${dead} is one of them`);
    await instances.kill(at);
    const killedAt = performance.now();
    const before = visitors.map(({ sequences }) => sequences.length);
    // What was on its way may still be handled: only what comes a little later came over a new connection.
    await eventually('all pages handle what comes', async () =>
      visitors.every(({ sequences, state }, index) => state === 'open' && sequences.length > (before[index] ?? 0) + 3),
    );
    slowestMs = Math.max(slowestMs, performance.now() - killedAt);
    if (IS_LONG || kill < KILLS - 1) await instances.begin(at);
  }
  await senders.end();
  const lost = visitors.filter(({ losses }) => losses > 0).length;
  t.diagnostic(
    `${senders.answered} messages, ${KILLS} kills, ${lost} of ${VISITORS} pages lost their connection; the slowest was back after ${Math.round(slowestMs)} ms; the longest send took ${Math.round(senders.longestMs)} ms; statuses ${JSON.stringify([...senders.statuses])}`,
  );
  assert.ok(lost >= VISITORS / 4, 'pages were at the instance that was killed');
  assert.ok(slowestMs < WITHIN_MS, `the slowest page was back after ${slowestMs} ms`);
  for (const visitor of visitors) await visitor.verify(senders, backEnd);
  for (const { id, page } of stock) {
    await page.until((call) => call.name === 'message' && call.message.sequence === senders.countOf(id));
    assertResumed(page);
    await senders.verify(id);
  }
  await goesByLease(instances, visitors, dead);
});

async function nodesOf({ backEnd }: Instances, visitors: readonly Visitor[]): Promise<Set<string>> {
  const seen = await Promise.all(visitors.map(({ id }) => backEnd.transaction(id)));
  return new Set(seen.flatMap(({ connections }) => connections.map(({ node }) => node)));
}

/** Nothing of a dead node is left in what senders are shown. */
async function goesByLease(instances: Instances, visitors: readonly Visitor[], dead: string): Promise<void> {
  const { backEnd, databaseUrl } = instances;
  const startedAt = performance.now();
  if (!IS_LONG) await age(databaseUrl, dead, LEASE_MS + GRACE_MS);
  await eventually('each page has one connection, and that lives', async () => {
    const seen = await Promise.all(visitors.map(({ id }) => backEnd.transaction(id)));
    return seen.every(({ connections }) => connections.length === 1);
  });
  assert.ok(performance.now() - startedAt < 30_000, 'within 30 s');
}

test(
  'what belongs to an instance that is stopped is given up within seconds, and its client goes on elsewhere',
  { skip: noPostgres },
  async () => {
    await using instances = await Instances.start();
    const { backEnd, balancer } = instances;
    const opened = await backEnd.open();
    const { body } = await request('POST', `${instances.at(0).url}/hub/negotiate?negotiateVersion=1`, {
      bearer: opened.accessToken,
    });
    const { connectionToken, accessToken } = Object(body);
    const through = `${instances.at(1).url}/hub?id=${connectionToken}`;
    assert.equal((await request('GET', through, { bearer: accessToken })).status, 200);
    assert.equal((await request('POST', through, { bearer: accessToken, raw: shake })).status, 200);
    instances.at(0).child.kill('SIGSTOP');
    const stoppedAt = performance.now();
    const answers = await Promise.all(
      ['GET', 'POST', 'DELETE'].map((method) =>
        request(method, through, { bearer: accessToken, ...(method === 'POST' && { raw: shake }) }),
      ),
    );
    for (const { status, text } of answers) assert.deepEqual([status, text], [404, 'No Connection with that ID']);
    assert.ok(performance.now() - stoppedAt < GIVEN_UP_WITHIN_MS, `after ${performance.now() - stoppedAt} ms`);
    balancer.pick = () => 1;
    await using page = await Page.open({ ...opened, transport: 'LongPolling' });
    await backEnd.send(opened.id);
    await page.untilMessages(1);
    assert.match(instances.at(1).stderr, /"peers\.node\.unreachable"/);
    assert.ok(!instances.at(1).stderr.includes(String(connectionToken)), 'no token is logged');
  },
);
