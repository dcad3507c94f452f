/** Readers of a transaction that is being forgotten: no row of them stays, whoever is first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { Registration } from '../../src/backplane/postgres/registration.ts';
import { silentLogger } from '../../src/logger.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { sharedPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres } from '../store/postgres-fixture.ts';
import { transaction } from '../store/sqlite-fixture.ts';
import { withPostgres } from './cluster.ts';

const IDS = ['txn_c', 'txn_a', 'txn_b'];

test('a transaction that is forgotten while its readers register leaves no row, and they are told', withPostgres, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const run = async <Row extends object>(sql: string): Promise<readonly Row[]> =>
    (await sharedPostgres()).run<Row>(sql, database);
  for (const id of IDS) await opened.store.open(transaction(id));
  const told = new Set<string>();
  await using registration = new Registration({
    pool: opened.pool,
    node: 'node',
    clock: new ManualClock(),
    logger: silentLogger,
    isWanted: () => true,
    isHere: () => true,
    onRegistered: (ids) => ids.forEach((id) => told.add(id)),
  });
  const readers = async (): Promise<readonly string[]> =>
    (await run<{ id: string }>('SELECT transaction_id AS id FROM ringback.readers ORDER BY 1')).map(({ id }) => id);

  const forgetter = new Client({ connectionString: database.url });
  await forgetter.connect();
  try {
    await forgetter.query('BEGIN');
    await forgetter.query(`SELECT FROM ringback.transactions WHERE id = 'txn_b' FOR UPDATE`);
    await forgetter.query(`SELECT ringback.drop_readers('txn_b')`);
    for (const id of [...IDS, 'txn_gone']) registration.come(id);
    await eventually('it waits for who forgets, or is done', async () => {
      const waiting = await run(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%readers%'`,
      );
      return waiting.length > 0 || told.size > 0;
    });
    await forgetter.query(`DELETE FROM ringback.transactions WHERE id = 'txn_b'`);
    await forgetter.query('COMMIT');
  } finally {
    await forgetter.end();
  }
  await eventually('all are told', async () => told.size === IDS.length + 1);
  assert.deepEqual(await readers(), ['txn_a', 'txn_c']);
  assert.ok(await opened.store.forget('txn_a'));
  assert.deepEqual(await readers(), ['txn_c']);
});
