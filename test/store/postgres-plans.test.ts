/** However large the tables are, an operation of the PostgreSQL store touches a few rows: counted by the database itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillDatabase, idOf } from '../../bench/postgres-fill.ts';
import type { Store } from '../../src/store/store.ts';
import { noPostgres, sharedPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { addNode, openPostgres } from './postgres-fixture.ts';
import { event, transaction } from './sqlite-fixture.ts';

const TRANSACTIONS = 8_000;
const MESSAGES_EACH = 3;
const DUE = 5;
/** Of rows of one table, in all operations together: far below what it has. */
const MOST_READ = 400;
/** They have a few rows, whatever happens. */
const SMALL = ['counts', 'lanes', 'migrations', 'nodes', 'secrets', 'settings'];

/** As if there were so many rows, and so many in each page. */
const PRETEND = `UPDATE pg_class SET reltuples = 1e8, relpages = pg_relation_size(oid) / 8192
  WHERE relnamespace = 'ringback'::regnamespace AND reltuples > ${TRANSACTIONS / 2}`;

const READ = `SELECT t.relname AS name, t.seq_scan::integer AS scans,
    (t.seq_tup_read + coalesce(sum(i.idx_tup_read), 0))::integer AS read
  FROM pg_stat_user_tables t LEFT JOIN pg_stat_user_indexes i USING (relid)
  WHERE t.schemaname = 'ringback' GROUP BY t.relid, t.relname, t.seq_scan, t.seq_tup_read ORDER BY 1`;

/** By an app, whose session has no settings of ours. */
const APPEND = `SELECT ringback.append('reference', 'note', '1', key => 'by SQL'), ringback.append('${idOf(302)}', 'note', '1')`;

/** Every operation there is. */
async function doEverything(store: Store): Promise<void> {
  const id = idOf(4_711);
  const append = { transactionId: id, type: 'note', data: '1' };
  await store.append({ ...append, key: 'new' });
  await store.append({ ...append, key: 'new' });
  await store.append({ ...append, id: `key 4711 2` });
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.append({ ...append, transactionId: idOf(index + 100) })));
  await store.receive(event('1', 'reference'));
  await store.receive(event('1', 'reference'));
  await store.open(transaction('txn_new', { reference: 'reference', metadata: '{}', callback: { id: 'c', hash: 'c' } }));
  await store.receive(event('2', 'nobody', { recipient: { transactionId: id } }));
  const { messages = [] } = (await store.read(id, { after: 0, limit: 10, tokenId: 'none' })) ?? {};
  assert.equal(messages.length, MESSAGES_EACH + 2);
  await store.mark({ transactionId: id, marks: [{ kind: 'delivered', from: 1, to: 5, at: Date.now() }] });
  await store.mark({ transactionId: id, marks: [{ kind: 'handled', upTo: 5, except: [4], at: Date.now() }] });
  for (const message of messages) assert.notEqual(await store.receipt(id, message.id), undefined);
  assert.notEqual(await store.transaction(id), undefined);
  assert.equal((await store.transactionsByReference('reference')).length, 1);
  assert.equal((await store.versions(Array.from({ length: 50 }, (_, index) => idOf(index + 1)))).length, 50);
  await store.addToken(id, { id: 'second', hash: 'second' });
  await store.addTicket({ hash: 'ticket', transactionId: id, tokenId: 'second', ttlMs: 1e6 });
  assert.equal(await store.bindTicket('ticket', 'connection'), true);
  assert.notEqual(await store.findTicket('ticket'), undefined);
  const connection = { id: 'connection', transactionId: id, node: 'node', transport: 'WebSockets', since: Date.now() };
  await store.saveConnections({ added: [connection], removed: ['other'] });
  assert.notEqual(await store.findToken('second'), undefined);
  assert.equal(await store.revokeToken(id, 'second'), true);
  assert.equal(await store.findCallback('c'), 'txn_new');
  assert.equal(await store.revokeCallback('txn_new', 'c'), true);
  assert.equal(await store.settle(idOf(300)), 'settled');
  assert.equal(await store.forget(idOf(301)), true);
  assert.equal((await store.sweep(10)).forgotten.length, DUE);
}

test('no operation reads more than its own rows, nor a whole table or index', { skip: noPostgres }, async (t) => {
  const server = await sharedPostgres();
  await using database = await temporaryDatabase();
  await fillDatabase(database.url, {
    transactions: TRANSACTIONS,
    messagesEach: MESSAGES_EACH,
    dataBytes: 100,
    say: () => undefined,
  });
  await server.run(`UPDATE ringback.transactions SET ends_at = tx WHERE tx <= ${DUE}; ${PRETEND}`, database);
  await server.run('SELECT pg_stat_reset()', database);
  {
    await using opened = await openPostgres(database.url);
    await addNode(opened.pool, 'node');
    await doEverything(opened.store);
  }
  await server.run(APPEND, database);
  // Sessions that have ended have said what they did.
  const tables = await server.run<{ name: string; scans: number; read: number }>(READ, database);
  const seen = tables.filter(({ name }) => !SMALL.includes(name));
  t.diagnostic(seen.map(({ name, read }) => `${name}: ${read}`).join(', '));
  assert.ok(seen.length >= 11);
  for (const { name, scans, read } of seen) {
    assert.equal(scans, 0, `${name} was read as a whole`);
    assert.ok(read <= MOST_READ, `${name}: ${read} rows were read`);
  }
  for (const name of ['transactions', 'messages', 'names', 'receipts', 'tokens', 'tickets', 'events', 'parked']) {
    assert.ok(
      seen.some((each) => each.name === name && each.read > 0),
      name,
    );
  }
});
