/**
 * The database fails over: its primary dies without a word, its replica is promoted, and an address that both share leads to the
 * new one. Whatever was acknowledged is there, and everything goes on by itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError, stored } from '../contract/store-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Page } from '../fixtures/page.ts';
import { noOwnPostgres, PostgresServer, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { startServer } from '../fixtures/server.ts';
import { StallingProxy } from '../fixtures/stalling-proxy.ts';
import { openPostgres } from './postgres-fixture.ts';
import { message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noOwnPostgres };
/** Nothing has to outlive the machine, but a commit has to reach the replica. */
const SETTINGS = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=on'];

class Pair implements AsyncDisposable {
  readonly primary: PostgresServer;
  readonly replica: PostgresServer;
  readonly database: TemporaryDatabase;
  /** What both share. */
  readonly address: StallingProxy;

  private constructor(
    servers: readonly [primary: PostgresServer, replica: PostgresServer],
    database: TemporaryDatabase,
    address: StallingProxy,
  ) {
    [this.primary, this.replica] = servers;
    this.database = database;
    this.address = address;
  }

  /** A replica without which the primary confirms no commit. */
  static async start(): Promise<Pair> {
    const primary = await PostgresServer.start(SETTINGS);
    const database = await primary.migrated();
    const replica = await primary.replica(SETTINGS);
    await primary.run(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await primary.run('SELECT pg_reload_conf()');
    await eventually('the replica is waited for', async () => {
      const rows = await primary.run(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'`);
      return rows.length === 1;
    });
    return new Pair([primary, replica], database, await StallingProxy.start(database.url));
  }

  /** The primary dies, the replica takes its place, and at last the address leads there. */
  async failOver(): Promise<void> {
    await this.primary.stop('vanish');
    await this.replica.run('SELECT pg_promote()');
    this.lead('replica');
  }

  /** New connections go there from now on, and those that there are end. */
  lead(to: 'primary' | 'replica'): void {
    this.address.lead(this[to].urlOf(this.database));
    this.address.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.address, this.replica, this.primary]) await each[Symbol.asyncDispose]();
  }
}

/** What a replica shows may be old. */
async function refusesReplica(pair: Pair): Promise<void> {
  await using opened = await openPostgres(pair.address.url, { patienceMs: 300 });
  pair.lead('replica');
  await assert.rejects(opened.store.read('a', { after: 0, limit: 1 }), isError('store_unavailable'));
  await assert.rejects(opened.store.append(message('a', 'n')), isError('store_unavailable'));
  pair.lead('primary');
  assert.notEqual(await opened.store.read('a', { after: 0, limit: 1 }), undefined);
}

test('two stores go on after a failover, with every message that was acknowledged, once and in sequence', skip, async (t) => {
  await using pair = await Pair.start();
  await using one = await openPostgres(pair.address.url);
  await using other = await openPostgres(pair.address.url);
  await one.store.open(transaction('a', { reference: 'ref' }));
  const acked: string[] = [];
  let [isOver, refused] = [false, 0];
  const writers = [one, one, other, other].map(async ({ store }, writer) => {
    for (let count = 0; !isOver || count < 10;) {
      const key = `${writer} ${count}`;
      try {
        acked.push(stored(await store.append({ transactionId: 'a', type: 'note', data: '1', key })).id);
        count += 1;
      } catch (error) {
        // Not acknowledged: asked for again by the same key.
        assert.ok(isError('store_unavailable')(error), String(error));
        refused += 1;
      }
    }
  });
  await eventually('all are at it', async () => acked.length >= 20);
  await refusesReplica(pair);
  await pair.failOver();
  const before = acked.length;
  await eventually('all go on', async () => acked.length >= before + 20);
  isOver = true;
  await Promise.all(writers);
  t.diagnostic(`${before} acknowledged before, ${acked.length - before} after, ${refused} refused`);
  const { messages = [], lastSequence } = (await other.store.read('a', { after: 0, limit: 100_000 })) ?? {};
  assert.equal(messages.length, acked.length);
  assert.deepEqual(new Set(messages.map(({ id }) => id)), new Set(acked));
  assert.deepEqual(
    messages.map(({ sequence }) => sequence),
    Array.from({ length: lastSequence ?? 0 }, (_, index) => index + 1),
  );
});

test('pages stay through a failover, and get what is sent at another instance afterwards', skip, async () => {
  await using pair = await Pair.start();
  await using one = await startServer({ store: pair.address.url });
  await using other = await startServer({ store: pair.address.url });
  const { id, accessToken } = await one.backEnd.open();
  await using page = await Page.open({ hubUrl: `${one.url}/hub`, accessToken });
  const ids = [(await other.backEnd.send(id, { data: 'before' })).id];
  await page.untilMessages(1);
  await pair.failOver();
  for (let round = 0; round < 3; round += 1) {
    const json = { type: 'note', data: round, id: `after-${round}` };
    await eventually('the message is taken', async () => {
      const { status, text } = await other.backEnd.call('POST', `/v1/transactions/${id}/messages`, { json });
      assert.ok(status === 202 || status === 503, text);
      return status === 202;
    });
    ids.push(json.id);
  }
  assert.deepEqual(
    (await page.untilMessages(ids.length)).map((each) => each.id),
    ids,
  );
  assert.deepEqual(
    page.calls.map(({ name }) => name),
    ['caughtUp', ...ids.map(() => 'message')],
    'it was connected all the time',
  );
});
