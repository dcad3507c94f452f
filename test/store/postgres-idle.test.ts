/** What instances do while there is nothing to do: each sweeps every second, and a commit is a flush of the database's disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pool } from '../../src/postgres/pool.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { addNode, openPostgres } from './postgres-fixture.ts';
import { event, LIMITS, message, transaction } from './sqlite-fixture.ts';

/** Rows of tables that a commit of the store leaves something in, whatever else it does. */
async function batches(pool: Pool): Promise<string> {
  const text = `SELECT coalesce(string_agg(lane || ' ' || batch, ',' ORDER BY lane), '') AS all FROM ringback.lanes`;
  const [row] = await pool.query<{ all: string }>({ name: 'batches', text }, []);
  assert.ok(row !== undefined);
  return row.all;
}

test('a sweep commits only what is due, and all of that', { skip: noPostgres }, async () => {
  await using database = await temporaryDatabase();
  const clock = new ManualClock();
  await using opened = await openPostgres(database.url, { clock });
  const { store, pool } = opened;
  await addNode(pool, 'here');
  await store.open(transaction('t1', { ttlMs: 3_600_000 }));
  await store.append(message('t1', 'm1'));
  await store.receive(event('1', 'nobody yet'));
  await store.addTicket({ hash: 'ticket', transactionId: 't1', ttlMs: 60_000 });
  const row = { transactionId: 't1', transport: 'WebSockets', since: clock.now() } as const;
  await store.saveConnections({ added: [{ ...row, id: 'c1', node: 'here' }], removed: [] });
  await store.sweep(10);
  const before = await batches(pool);
  assert.match(before, /\d/, 'what was written so far is seen');
  for (let times = 0; times < 5; times += 1) {
    clock.advance(1_000);
    assert.deepEqual(await store.sweep(10), { forgotten: [], unclaimed: [], more: false });
  }
  assert.equal(await batches(pool), before, 'nothing was committed');

  clock.advance(60_000);
  await store.sweep(10);
  assert.notEqual(await batches(pool), before, 'a ticket had run out');
  assert.equal(await store.findTicket('ticket'), undefined);
  await store.saveConnections({ added: [{ ...row, id: 'c2', node: 'gone' }], removed: [] });
  await store.sweep(10);
  const count = `SELECT count(*)::integer AS left FROM ringback.connections`;
  assert.deepEqual(await pool.query({ name: 'left', text: count }, []), [{ left: 1 }], 'the row of a node that is no more went');
  clock.advance(LIMITS.parkMs);
  assert.equal((await store.sweep(10)).unclaimed.length, 1);
  clock.advance(LIMITS.retentionMs + 3_600_000);
  assert.deepEqual((await store.sweep(10)).forgotten, ['t1']);
});
