/**
 * Two instances on one database: what happens at one is seen at the other, at once with the doorbell between them, and within
 * seconds without it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import type { SentView, WireOpened } from '../../src/server/wire.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { Page, type PageOptions } from '../fixtures/page.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { startServer, type TestServer } from '../fixtures/server.ts';
import { newSecret, signedBy } from '../webhooks/provider.ts';

/** How late something may be seen at the other instance: patrol, and what a busy machine adds. */
const LATEST_MS = { 'postgres:': 1_500, 'memory:': 4_500 } as const;

const SECRET = newSecret();
const acme = { preset: 'standard-webhooks', secrets: [SECRET], transaction: '/data/reference', type: '/type' } as const;
/** Rounds of what happens at both instances at once. */
const ROUNDS = 12;

interface Two extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly here: TestServer;
  readonly there: TestServer;
}

async function startTwo(backplane: string): Promise<Two> {
  const database = await temporaryDatabase();
  const here = await startServer({ store: database.url, backplane, webhooks: { acme } });
  const there = await startServer({ store: database.url, backplane, webhooks: { acme } });
  return {
    databaseUrl: database.url,
    here,
    there,
    async [Symbol.asyncDispose]() {
      await Promise.all([here.drain(), there.drain()]);
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A page at the other instance than the one that opened its transaction. */
function attach({ there }: Two, { accessToken }: WireOpened, more: Partial<PageOptions> = {}): Promise<Page> {
  return Page.open({ hubUrl: `${there.url}/hub`, accessToken, ...more });
}

/** A signed webhook for an order. */
function webhook({ url }: TestServer, reference: string, id: string): Promise<Answer> {
  const body = JSON.stringify({ type: 'paid', data: { reference, id } });
  return request('POST', `${url}/webhooks/acme`, { raw: body, headers: signedBy(SECRET, { id, at: Date.now(), body }) });
}

async function timed(what: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await what;
  return performance.now() - startedAt;
}

/** What a page is told that waits at the other instance; each with a page of its own, all at once. */
const CASES: readonly { readonly name: string; readonly run: (two: Two) => Promise<number> }[] = [
  {
    name: 'a message',
    run: async (two) => {
      const opened = await two.here.backEnd.open();
      await using page = await attach(two, opened);
      await two.here.backEnd.send(opened.id);
      return await timed(page.untilMessages(1));
    },
  },
  {
    name: 'a webhook',
    run: async (two) => {
      const reference = 'order-of-a-webhook';
      const opened = await two.here.backEnd.open({ reference });
      await using page = await attach(two, opened);
      assert.equal((await webhook(two.here, reference, 'event-1')).status, 200);
      return await timed(page.untilMessages(1));
    },
  },
  {
    name: 'a callback',
    run: async (two) => {
      const opened = await two.here.backEnd.open();
      await using page = await attach(two, opened);
      assert.ok(opened.callbackUrl);
      assert.equal((await request('POST', opened.callbackUrl, { json: { done: true } })).status, 202);
      return await timed(page.untilMessages(1));
    },
  },
  {
    name: 'the end of its time',
    run: async (two) => {
      const opened = await two.here.backEnd.open({ ttlSeconds: 2 });
      await using page = await attach(two, opened);
      await page.until((call) => call.name === 'closed' && call.reason === 'expired');
      return Math.max(0, Date.now() - Date.parse(opened.expiresAt));
    },
  },
  {
    name: 'an ack by HTTP, at the sender who waits for it',
    run: async (two) => {
      const { here, there } = two;
      const { id, accessToken } = await here.backEnd.open();
      const sent = here.backEnd.send(id, {}, 30);
      await eventually('it is there', async () => (await there.backEnd.transaction(id)).lastSequence === 1);
      const ack = await request('POST', `${there.url}/v1/transactions/${id}/acks`, {
        bearer: accessToken,
        json: { sequence: 1, reply: 'by HTTP' },
      });
      assert.equal(ack.status, 204);
      const ms = await timed(sent);
      assert.deepEqual([(await sent).status, (await sent).reply], ['handled', 'by HTTP']);
      return ms;
    },
  },
  ...(['settled', 'forgotten', 'revoked'] as const).map((reason) => ({
    name: reason,
    run: async (two: Two) => {
      const { backEnd } = two.here;
      const opened = await backEnd.open();
      await using page = await attach(two, opened);
      if (reason === 'settled') await backEnd.settle(opened.id);
      else if (reason === 'forgotten') await backEnd.forget(opened.id);
      else {
        const { status } = await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`);
        assert.equal(status, 204);
      }
      return await timed(page.until((call) => call.name === 'closed' && call.reason === reason));
    },
  })),
  {
    name: 'an ack, at the sender who waits for it',
    run: async (two) => {
      const opened = await two.here.backEnd.open();
      const acked = Promise.withResolvers<number>();
      await using _page = await attach(two, opened, {
        onMessage: ({ sequence }, self) => void self.ack(sequence, 'done').then(() => acked.resolve(performance.now())),
      });
      const answer = await two.here.backEnd.send(opened.id, {}, 30);
      assert.deepEqual([answer.status, answer.reply], ['handled', 'done']);
      return performance.now() - (await acked.promise);
    },
  },
];

for (const [backplane, latestMs] of Object.entries(LATEST_MS)) {
  const how = backplane === 'memory:' ? 'without a doorbell between the instances' : 'with the doorbell';
  test(`what happens at one instance is seen at the other within ${latestMs} ms, ${how}`, { skip: noPostgres }, async (t) => {
    await using two = await startTwo(backplane);
    const late = await Promise.all(CASES.map(({ run }) => run(two)));
    t.diagnostic(CASES.map(({ name }, index) => `${name} ${Math.round(late[index] ?? NaN)} ms`).join(', '));
    for (const [index, ms] of late.entries()) assert.ok(ms < latestMs, `${CASES[index]?.name}: ${ms} ms`);
  });
}

test('the connection of a page is seen from both instances, on its node, and goes with it', { skip: noPostgres }, async () => {
  await using two = await startTwo('postgres:');
  const { here, there } = two;
  const opened = await here.backEnd.open();
  const own = await Page.open({ hubUrl: opened.hubUrl, accessToken: opened.accessToken });
  await using page = await attach(two, opened);
  const seen = async (server: TestServer): Promise<readonly string[]> =>
    (await server.backEnd.transaction(opened.id)).connections.map(({ node }) => node).toSorted();
  await eventually('both are seen', async () => (await seen(here)).length === 2);
  assert.deepEqual(await seen(there), await seen(here));
  assert.equal(new Set(await seen(here)).size, 2);
  await own.connection.stop();
  await eventually('one is left', async () => (await seen(there)).length === 1);
  assert.deepEqual(page.sequences, []);
});

/** The same at both instances at once. */
function atBoth<Result>({ here, there }: Two, act: (server: TestServer) => Promise<Result>): Promise<[Result, Result]> {
  return Promise.all([act(here), act(there)]);
}

test('what is sent to both instances at once with one key is one message', { skip: noPostgres }, async () => {
  await using two = await startTwo('postgres:');
  const opened = await two.here.backEnd.open();
  await using page = await attach(two, opened, {
    onMessage: ({ sequence }, { connection }) => void connection.send('ack', sequence, { n: sequence }),
  });
  for (let round = 1; round <= ROUNDS; round++) {
    const id = `key-${round}`;
    const answers = await atBoth(two, ({ backEnd }) => backEnd.send(opened.id, { id, data: round }));
    assert.deepEqual(
      answers.map((answer) => [answer.id, answer.sequence]),
      Array(2).fill([id, round]),
    );
    assert.deepEqual(new Set(answers.map(({ duplicate }) => duplicate)), new Set([false, true]));
  }
  const waited = await atBoth(two, ({ backEnd }) => backEnd.send(opened.id, { id: 'waited' }, 30));
  for (const { status, reply } of waited) assert.deepEqual([status, reply], ['handled', { n: ROUNDS + 1 }]);
  await page.untilMessages(ROUNDS + 1);
  assert.deepEqual(
    page.sequences,
    Array.from({ length: ROUNDS + 1 }, (_, index) => index + 1),
  );
});

test('of two bodies with one key at once, one is stored, and the other is a conflict', { skip: noPostgres }, async () => {
  await using two = await startTwo('postgres:');
  const { id } = await two.here.backEnd.open();
  for (let round = 1; round <= ROUNDS; round++) {
    const answers = await atBoth(two, ({ backEnd, url }) =>
      backEnd.call('POST', `/v1/transactions/${id}/messages`, {
        headers: { 'idempotency-key': `key-${round}` },
        json: { type: 'note', data: url },
      }),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202, 409]));
    const stored = answers.find(({ status }) => status === 202)?.text ?? '';
    const { sequence }: SentView = JSON.parse(stored);
    assert.equal(sequence, round);
  }
});

test(
  'a webhook that waits at one instance is there when its transaction is opened at the other',
  { skip: noPostgres },
  async () => {
    await using two = await startTwo('postgres:');
    assert.equal((await webhook(two.here, 'order-parked', 'event-parked')).status, 200);
    const parked = await two.there.backEnd.open({ reference: 'order-parked' });
    await using page = await attach(two, parked);
    assert.deepEqual(page.sequences, [1]);
    // At once: whichever is first, the outcome is the same.
    for (let round = 1; round <= ROUNDS; round++) {
      const reference = `order-${round}`;
      const [answer, opened] = await Promise.all([
        webhook(two.here, reference, `event-${round}`),
        two.there.backEnd.open({ reference }),
      ]);
      assert.equal(answer.status, 200);
      const { messages } = await two.here.backEnd.messages(opened.id);
      assert.deepEqual(
        messages.map(({ type, data }) => [type, data]),
        [['paid', { reference, id: `event-${round}` }]],
      );
    }
  },
);

test(
  'of one event at both instances there is one message, and of one reference one transaction',
  { skip: noPostgres },
  async () => {
    await using two = await startTwo('postgres:');
    for (let round = 1; round <= ROUNDS; round++) {
      const reference = `order-${round}`;
      const opens = await atBoth(two, ({ backEnd }) => backEnd.call('POST', '/v1/transactions', { json: { reference } }));
      assert.deepEqual(new Set(opens.map(({ status }) => status)), new Set([201, 409]));
      const events = await atBoth(two, (server) => webhook(server, reference, `event-${round}`));
      assert.deepEqual(
        events.map(({ status }) => status),
        [200, 200],
      );
      const { id }: WireOpened = JSON.parse(opens.find(({ status }) => status === 201)?.text ?? '');
      assert.equal((await two.there.backEnd.messages(id)).lastSequence, 1);
    }
  },
);

test('what is taken back at one instance is of no use at the other, at once', { skip: noPostgres }, async () => {
  await using two = await startTwo('memory:');
  const { here, there } = two;
  const opened = await here.backEnd.open();
  const path = `/v1/transactions/${opened.id}`;
  assert.ok(opened.callbackUrl);
  const callback = there.url + new URL(opened.callbackUrl).pathname;
  assert.equal((await request('POST', callback, { json: {} })).status, 202);
  assert.equal((await here.backEnd.call('DELETE', `${path}/callbacks/${opened.callbackId}`)).status, 204);
  assert.equal((await request('POST', callback, { json: {} })).status, 404);
  assert.equal((await request('GET', there.url + path, { bearer: opened.accessToken })).status, 200);
  assert.equal((await here.backEnd.call('DELETE', `${path}/tokens/${opened.tokenId}`)).status, 204);
  assert.equal((await request('GET', there.url + path, { bearer: opened.accessToken })).status, 401);
  const negotiate = `${there.url}/hub/negotiate?negotiateVersion=1`;
  assert.equal((await request('POST', negotiate, { bearer: opened.accessToken })).status, 401);
  await here.backEnd.forget(opened.id);
  assert.equal((await there.backEnd.call('GET', path)).status, 404);
});

test(
  'when a transaction is forgotten, nothing says any more that a page of another instance reads it',
  { skip: noPostgres },
  async () => {
    await using two = await startTwo('postgres:');
    const { here, databaseUrl } = two;
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    await using _ = { [Symbol.asyncDispose]: () => client.end() };
    const opened = await here.backEnd.open();
    await using page = await attach(two, opened);
    const countRows = async (): Promise<unknown> =>
      (await client.query('SELECT count(*)::integer AS count FROM ringback.readers WHERE transaction_id = $1', [opened.id]))
        .rows[0];
    await eventually('it is registered', async () => Object(await countRows()).count === 1);
    const forgotten = page.until((call) => call.name === 'closed' && call.reason === 'forgotten');
    await here.backEnd.forget(opened.id);
    assert.deepEqual(await countRows(), { count: 0 });
    assert.ok((await timed(forgotten)) < LATEST_MS['postgres:']);
  },
);
