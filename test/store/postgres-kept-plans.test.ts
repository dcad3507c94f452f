/** Plans are kept: those of the PostgreSQL store must not depend on what a table held when they were made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pool } from '../../src/postgres/pool.ts';
import type { Store } from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { noPostgres, sharedPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { emptyAll, openPostgres } from './postgres-fixture.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

/** Every operation there is; what they find among transactions `t1` to `t8`, if these are there. */
async function useAll(store: Store, clock: ManualClock): Promise<void> {
  await store.append({ transactionId: 't1', type: 'note', data: '1', key: 'k1' });
  await store.receive(event('1', 'ref t2'));
  await store.receive(event('2', 'later'));
  await store.open(transaction('later', { reference: 'later' }));
  await store.mark({ transactionId: 't3', marks: [{ kind: 'handled', upTo: 2, except: [], at: clock.now() }] });
  await store.receipt('t3', 'm3');
  await store.read('t4', { after: 0, limit: 10, tokenId: 'token' });
  await store.transaction('t5');
  await store.transactionsByReference('ref t5');
  await store.versions(['t1', 't2', 'never']);
  await store.addToken('t6', { id: 'second', hash: 'second' });
  await store.addTicket({ hash: 'ticket', transactionId: 't6', tokenId: 'second', ttlMs: 10 });
  await store.bindTicket('ticket', 'connection');
  await store.findTicket('ticket');
  await store.saveConnections({
    added: [{ id: 'connection', transactionId: 't6', node: 'node', transport: 'WebSockets', since: clock.now() }],
    removed: ['other'],
  });
  await store.findToken('second');
  await store.revokeToken('t6', 'second');
  await store.findCallback('c t1');
  await store.revokeCallback('t1', 'c');
  await store.settle('t7');
  await store.forget('t8');
  clock.advance(2_000);
  await store.sweep(10);
}

/** What nodes ask besides. */
async function useNodes(pool: Pool): Promise<void> {
  const ask = async (text: string, values: readonly unknown[]): Promise<void> => {
    await pool.query({ name: text.slice(0, 40), text }, values);
  };
  await ask('SELECT ringback.save_readers($1, $2, $3)', [['t1', 't2', 'never'], ['t3'], 'node']);
  await ask('SELECT ringback.ring_nodes($1, $2, $3)', [['t1', 't2', 'never'], '', 'other']);
  await ask(`INSERT INTO ringback.nodes (node, lease_until, held_since) VALUES ('dead', '-infinity', now())`, []);
  await ask(`SELECT ringback.sweep_node('dead', 8000, 2000)`, []);
}

async function openFew(store: Store): Promise<void> {
  for (const id of ['t1', 't2', 't3', 't4', 't5', 't6', 't7', 't8']) {
    await store.open(transaction(id, { reference: `ref ${id}`, metadata: '{}', callback: { id: 'c', hash: `c ${id}` } }));
    for (const name of ['m1', 'm2', 'm3']) await store.append({ ...message(id, name), key: `key ${name}` });
  }
}

/** Of rows of one table, in all operations together. */
const MOST_READ = 400;

/** They have a few rows, whatever happens. */
const SMALL = ['counts', 'lanes', 'migrations', 'nodes', 'secrets', 'settings'];

test('a plan that was made while there was nothing is as good when there is much', { skip: noPostgres }, async () => {
  await using database = await temporaryDatabase();
  const clock = new ManualClock();
  const many = 2_000;
  {
    await using opened = await openPostgres(database.url, {
      clock,
      size: 1,
      limits: { parkMs: 1_000, dedupeMs: 1_000, retentionMs: 1_000 },
    });
    const { store, pool } = opened;
    // Known to be empty, and nobody tells of what comes later.
    await opened.run(`DO $$ DECLARE each text; BEGIN
      FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'ringback' LOOP
        EXECUTE format('ALTER TABLE ringback.%I SET (autovacuum_enabled = false)', each);
      END LOOP; END $$`);
    await opened.run('VACUUM ANALYZE');
    await openFew(store);
    await useAll(store, clock);
    await useNodes(pool);
    await emptyAll(pool);
    const later = clock.now() + 1_000_000;
    await opened.run(`
      INSERT INTO ringback.transactions (id, reference, created_at, expires_at, ends_at, last_sequence, version)
        SELECT 't' || n, 'ref t' || n, ${clock.now()}, ${later}, ${later}, 2, 1 FROM generate_series(1, ${many}) AS n;
      INSERT INTO ringback.details (tx, metadata) SELECT tx, '{}' FROM ringback.transactions;
      INSERT INTO ringback.messages (tx, sequence, stored_at, id, type, data)
        SELECT tx, n, ${clock.now()}, 'm' || tx || n, 'note', '1' FROM ringback.transactions, generate_series(1, 2) AS n;
      INSERT INTO ringback.names (tx, name, sequence) SELECT tx, id, sequence FROM ringback.messages;
      INSERT INTO ringback.receipts (tx, sequence, attempts) SELECT tx, 1, 1 FROM ringback.transactions;
      INSERT INTO ringback.tokens (hash, tx, id) SELECT 'hash ' || id, tx, 'token' FROM ringback.transactions;
      INSERT INTO ringback.callbacks (hash, tx, id) SELECT 'c ' || id, tx, 'c' FROM ringback.transactions;
      INSERT INTO ringback.tickets (hash, tx, expires_at, connection_id, node)
        SELECT 'ticket ' || id, tx, ${later}, 'con ' || id, 'node' FROM ringback.transactions;
      INSERT INTO ringback.tickets (hash, tx, expires_at) SELECT 'free ' || id, tx, ${later} FROM ringback.transactions;
      INSERT INTO ringback.connections (id, tx, node, transport, since)
        SELECT 'con ' || id, tx, 'node', 'WebSockets', 1 FROM ringback.transactions;
      INSERT INTO ringback.nodes (node, lease_until, held_since) VALUES ('node', now() + interval '1 day', now());
      INSERT INTO ringback.readers (transaction_id, node) SELECT id, 'node' FROM ringback.transactions;
      INSERT INTO ringback.events (hash, received_at) SELECT 'old ' || id, ${later} FROM ringback.transactions;
      INSERT INTO ringback.parked (reference, id, source, type, data, parked_at, bytes, messages_before, bytes_before)
        SELECT 'p' || id, 'p' || id, 'shop', 'note', '1', ${later}, 1, 0, 0 FROM ringback.transactions`);
    await opened.run('SELECT pg_stat_reset()');
    await useAll(store, clock);
    await useNodes(pool);
  }
  // Sessions that have ended have said what they did.
  const seen = await (
    await sharedPostgres()
  ).run<{ name: string; read: number }>(
    `SELECT relname AS name, (seq_tup_read + idx_tup_fetch)::integer AS read FROM pg_stat_user_tables
     WHERE schemaname = 'ringback' AND idx_tup_fetch IS NOT NULL ORDER BY relname`,
    database,
  );
  const large = seen.filter(({ name }) => !SMALL.includes(name));
  assert.ok(large.length >= 11, large.map(({ name }) => name).join());
  assert.ok(large.some(({ name, read }) => name === 'transactions' && read > 10));
  assert.deepEqual(
    large.filter(({ read }) => read > MOST_READ),
    [],
  );
});
