/** The database is away, full, or not to be written: calls end within seconds, and all goes on by itself afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { sqlState } from '../../src/postgres/faults.ts';
import { Pool } from '../../src/postgres/pool.ts';
import type { Store } from '../../src/store/store.ts';
import { isError, stored } from '../contract/store-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { noPostgres, sharedPostgres, temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { startServer } from '../fixtures/server.ts';
import { StallingProxy } from '../fixtures/stalling-proxy.ts';
import { openPostgres } from './postgres-fixture.ts';
import { PostgresProxy } from './postgres-proxy.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noPostgres };
const END_ALL = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;

async function runIn(database: TemporaryDatabase, sql: string): Promise<void> {
  await (await sharedPostgres()).run(sql, database);
}

async function idsOf(store: Store, transactionId: string): Promise<readonly string[]> {
  return ((await store.read(transactionId, { after: 0, limit: 1_000 }))?.messages ?? assert.fail()).map(({ id }) => id);
}

test('connections that are ended by an administrator, again and again, are missed by nobody', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store } = opened;
  const transactions = ['a', 'b', 'c', 'd'];
  for (const id of transactions) await store.open(transaction(id));
  let isOver = false;
  let count = 0;
  const writing = transactions.map(async (id) => {
    const ids: string[] = [];
    while (!isOver || ids.length < 20) {
      ids.push(stored(await store.append({ transactionId: id, type: 'note', data: '1' })).id);
      assert.notEqual(await store.read(id, { after: 'acked', limit: 1 }), undefined);
      count += 1;
    }
    assert.deepEqual(await idsOf(store, id), ids);
  });
  for (let round = 1; round <= 3; round += 1) {
    await runIn(database, END_ALL);
    await eventually('somebody has got through again', async () => count > round * 4);
  }
  isOver = true;
  await Promise.all(writing);
});

test('who waits for a connection when all are given up does not wait for a time-out', skip, async () => {
  await using database = await temporaryDatabase();
  await using pool = new Pool({ url: database.url, logger: silentLogger, size: 1 });
  const sleeping = pool.query({ name: 'sleep', text: 'SELECT pg_sleep(3)' }, []);
  const waiting = pool.query({ name: 'one', text: 'SELECT 1 AS one' }, []);
  const both = Promise.all([
    assert.rejects(sleeping, (error) => sqlState(error) === '57P01'),
    assert.rejects(waiting, /the connections were given up/),
  ]);
  await eventually('it sleeps', async () => {
    const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
    return (await (await sharedPostgres()).run(sql, database)).length === 1;
  });
  await runIn(database, END_ALL);
  await both;
  assert.deepEqual(await pool.query({ name: 'one', text: 'SELECT 1 AS one' }, []), [{ one: 1 }]);
});

test('a database that only reads is as good as away, until it can be written again', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url, { patienceMs: 200 });
  const { store } = opened;
  await store.open(transaction('a'));
  const name = new URL(database.url).pathname.slice(1);
  await runIn(database, `ALTER DATABASE ${name} SET default_transaction_read_only = on; ${END_ALL}`);
  for (let round = 0; round < 3; round += 1) {
    await assert.rejects(store.append(message('a', `m${round}`)), isError('store_unavailable'));
    await assert.rejects(store.check(), isError('store_unavailable'));
  }
  await runIn(database, `BEGIN READ WRITE; ALTER DATABASE ${name} RESET default_transaction_read_only; COMMIT`);
  assert.equal(stored(await store.append(message('a', 'after'))).sequence, 1);
});

test('where a server takes few connections those do all, and where it takes none calls fail until it does', skip, async () => {
  await using database = await temporaryDatabase();
  const server = await sharedPostgres();
  const role = `crowded_${process.pid}`;
  await runIn(
    database,
    `CREATE ROLE ${role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 2; GRANT USAGE ON SCHEMA ringback TO ${role};
     GRANT ALL ON ALL TABLES IN SCHEMA ringback TO ${role}; GRANT ALL ON ALL FUNCTIONS IN SCHEMA ringback TO ${role}`,
  );
  const url = Object.assign(new URL(database.url), { username: role, password: 'secret' });
  try {
    await using opened = await openPostgres(url.href, { patienceMs: 1_000 });
    const { store } = opened;
    const ids = Array.from({ length: 12 }, (_, index) => `t${index}`);
    for (const id of ids) await store.open(transaction(id));
    const all = ids.map(async (id) => {
      stored(await store.append(message(id, 'm')));
      await store.addToken(id, { id: 'second', hash: `second ${id}` });
      assert.notEqual(await store.transaction(id), undefined);
    });
    await Promise.all(all);
    await runIn(database, `ALTER ROLE ${role} CONNECTION LIMIT 0; ${END_ALL}`);
    await assert.rejects(store.append(message('t0', 'n')), isError('store_unavailable'));
    await assert.rejects(store.read('t0', { after: 0, limit: 1 }), isError('store_unavailable'));
    await runIn(database, `ALTER ROLE ${role} CONNECTION LIMIT -1`);
    assert.equal(stored(await store.append(message('t0', 'after'))).sequence, 2);
  } finally {
    await server.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`, database);
  }
});

/** One of each kind. */
function everything(store: Store): readonly (readonly [name: string, call: () => Promise<unknown>])[] {
  return [
    ['open', () => store.open(transaction('new', { reference: 'r' }))],
    ['append', () => store.append(message('a', 'm'))],
    ['append to the same', () => store.append(message('a', 'n'))],
    ['receive', () => store.receive(event('1', 'r'))],
    ['read', () => store.read('a', { after: 0, limit: 1 })],
    ['mark', () => store.mark({ transactionId: 'a', marks: [{ kind: 'delivered', from: 1, to: 1, at: Date.now() }] })],
    ['receipt', () => store.receipt('a', 'm')],
    ['versions', () => store.versions(['a'])],
    ['transaction', () => store.transaction('a')],
    ['transactionsByReference', () => store.transactionsByReference('r')],
    ['settle', () => store.settle('b')],
    ['forget', () => store.forget('b')],
    ['sweep', () => store.sweep(10)],
    ['addToken', () => store.addToken('a', { id: 'i', hash: 'h' })],
    ['revokeToken', () => store.revokeToken('a', 'other')],
    ['findToken', () => store.findToken('h')],
    ['addCallback', () => store.addCallback('a', { id: 'i', hash: 'h' })],
    ['revokeCallback', () => store.revokeCallback('a', 'other')],
    ['findCallback', () => store.findCallback('h')],
    ['addTicket', () => store.addTicket({ hash: 'k', transactionId: 'a', ttlMs: 1e6 })],
    ['findTicket', () => store.findTicket('k')],
    ['bindTicket', () => store.bindTicket('k', 'connection')],
    ['saveConnections', () => store.saveConnections({ added: [], removed: ['c'] })],
    ['check', () => store.check()],
  ];
}

for (const [how, stand] of [
  ['refuses every connection', (proxy: PostgresProxy) => proxy.refuse(true)],
  ['says nothing any more', (proxy: PostgresProxy) => void (proxy.isHolding = { client: true, server: true })],
] as const) {
  test(`no call hangs while the server ${how}, and each is done afterwards`, skip, async (t) => {
    await using database = await temporaryDatabase();
    await using proxy = await PostgresProxy.start(database.url);
    await using opened = await openPostgres(proxy.url, { answerMs: 1_000, patienceMs: 500 });
    const { store } = opened;
    for (const id of ['a', 'b']) await store.open(transaction(id));
    stand(proxy);
    for (let round = 0; round < 2; round += 1) {
      const start = performance.now();
      const calls = everything(store);
      const results = await Promise.allSettled(calls.map(([, call]) => call()));
      for (const [index, result] of results.entries()) {
        assert.ok(result.status === 'rejected' && isError('store_unavailable')(result.reason), calls[index]?.[0]);
      }
      t.diagnostic(`${calls.length} calls failed in ${(performance.now() - start).toFixed(0)} ms`);
    }
    proxy.cutAll();
    proxy.isHolding = {};
    proxy.refuse(false);
    for (const [name, call] of everything(store)) await assert.doesNotReject(call(), name);
  });
}

test('a sender is told when to come again while the database is away, and is served when it is back', skip, async () => {
  await using database = await temporaryDatabase();
  await using proxy = await StallingProxy.start(database.url);
  await using server = await startServer({ store: proxy.url });
  const { id } = await server.backEnd.open();
  proxy.refuse(true);
  proxy.cut();
  for (const path of [`/v1/transactions/${id}/messages`, '/v1/transactions']) {
    const answer = await server.backEnd.call('POST', path, { json: path.endsWith('messages') ? { type: 'note', data: 1 } : {} });
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.match(answer.text, /"code":"store_unavailable"/);
  }
  proxy.refuse(false);
  const sent = await server.backEnd.send(id, { data: 'after' });
  assert.equal(sent.status, 'stored');
  assert.deepEqual(
    (await server.backEnd.messages(id)).messages.map(({ id: messageId }) => messageId),
    [sent.id],
  );
});

test('an error of the database is no part of what callers see', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  await opened.store.open(transaction('a'));
  await opened.run("ALTER TABLE ringback.messages ADD CONSTRAINT canary CHECK (type <> 'note')");
  await assert.rejects(
    opened.store.append(message('a', 'm')),
    (error) => error instanceof RingbackError && error.code === 'internal_error' && !error.message.includes('canary'),
  );
});
