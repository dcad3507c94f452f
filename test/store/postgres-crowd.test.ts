/** More is asked at once than there are connections: everybody waits for a turn, and nobody takes the database for gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../src/logger.ts';
import { NoTurnError } from '../../src/postgres/faults.ts';
import { Pool } from '../../src/postgres/pool.ts';
import { Turns } from '../../src/postgres/turns.ts';
import { isError, stored } from '../contract/store-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { noPostgres, sharedPostgres, temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres } from './postgres-fixture.ts';
import { message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noPostgres };
const MANY = 20_000;
/** Each a statement of its own. */
const READS = 6_000;
const SLEEP = { name: 'sleep', text: 'SELECT pg_sleep($1)' };
const ONE = { name: 'one', text: 'SELECT 1 AS one' };

async function sleeping(database: TemporaryDatabase, count: number): Promise<void> {
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
  await eventually('they sleep', async () => (await (await sharedPostgres()).run(sql, database)).length === count);
}

test('secrets that many ask for in one turn are found, each its own, in a few statements', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store, pool } = opened;
  for (const id of ['a', 'b']) {
    await store.open(transaction(id, { callback: { id: 'c', hash: `callback ${id}` } }));
    await store.addToken(id, { id: `token ${id}`, hash: `hash ${id}` });
    await store.addTicket({ hash: `ticket ${id}`, transactionId: id, ttlMs: 60_000 });
  }
  let statements = 0;
  const query = pool.query.bind(pool);
  pool.query = (statement, values) => {
    statements += 1;
    return query(statement, values);
  };
  const nobody = Array.from({ length: MANY }, (_, index) => store.findToken(`nobody ${index}`));
  assert.deepEqual(await Promise.all([store.findToken('hash b'), store.findToken('nul \0'), store.findToken('hash a')]), [
    { transactionId: 'b', tokenId: 'token b' },
    undefined,
    { transactionId: 'a', tokenId: 'token a' },
  ]);
  assert.deepEqual(await Promise.all([store.findTicket('ticket b'), store.findTicket('ticket a'), store.findTicket('hash a')]), [
    { transactionId: 'b' },
    { transactionId: 'a' },
    undefined,
  ]);
  assert.deepEqual(await Promise.all(['callback b', 'never', 'callback a'].map((hash) => store.findCallback(hash))), [
    'b',
    undefined,
    'a',
  ]);
  assert.deepEqual(new Set(await Promise.all(nobody)), new Set([undefined]));
  assert.ok(statements <= MANY / 1_000 + 5, `${statements} statements`);
});

test('however many read at once, all are answered or told, writes go on, and the database is not away', skip, async (t) => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store, pool } = opened;
  await store.open(transaction('a'));
  let answered = 0;
  let refused = 0;
  const reading = Array.from({ length: READS }, async () => {
    try {
      assert.notEqual(await store.transaction('a'), undefined);
      answered += 1;
    } catch (error) {
      assert.ok(isError('store_unavailable')(error));
      refused += 1;
    }
  });
  for (let round = 0; round < 5; round += 1) stored(await store.append(message('a', `m${round}`)));
  assert.ok(answered < READS / 2, `${answered} were answered before`);
  await Promise.all(reading);
  t.diagnostic(`${answered} answered, ${refused} refused`);
  assert.ok(answered > 0);
  assert.equal(pool.awaySince, undefined);
});

test('who has waited too long for a connection is told so, alone, and the database is not taken for gone', skip, async () => {
  await using database = await temporaryDatabase();
  await using pool = new Pool({ url: database.url, logger: silentLogger, size: 1, waitMs: 50 });
  const first = pool.query(SLEEP, [0.5]);
  await sleeping(database, 1);
  await assert.rejects(pool.query(ONE, []), NoTurnError);
  assert.equal(pool.awaySince, undefined);
  await first;
  assert.deepEqual(await pool.query(ONE, []), [{ one: 1 }]);
});

test('some connections are left for those that write', skip, async () => {
  await using database = await temporaryDatabase();
  await using pool = new Pool({ url: database.url, logger: silentLogger });
  const reads = Array.from({ length: 20 }, () => pool.query({ ...SLEEP, isRead: true }, [0.5]));
  await sleeping(database, 6);
  const begun = performance.now();
  await Promise.all(Array.from({ length: 4 }, () => pool.query(ONE, [])));
  assert.ok(performance.now() - begun < 400);
  await Promise.all(reads);
});

test('turns come in the order in which they were asked for, whoever gives up between', async () => {
  const turns = new Turns({ size: 2, waitMs: 20 });
  const order: number[] = [];
  const [endFirst, endSecond] = [await turns.take(true), await turns.take(false)];
  const late = [turns.take(true), turns.take(false)].map((each) => assert.rejects(each, NoTurnError));
  await Promise.all(late);
  const waiting = [true, false, true, false].map(async (isRead, index) => {
    const endTurn = await turns.take(isRead);
    order.push(index);
    endTurn();
  });
  endSecond();
  endFirst();
  await Promise.all(waiting);
  assert.deepEqual(new Set(order), new Set([0, 1, 2, 3]));
  assert.ok(order.indexOf(0) < order.indexOf(2) && order.indexOf(1) < order.indexOf(3), order.join());
  const hold = [await turns.take(false), await turns.take(false)];
  const told = [turns.take(true), turns.take(false)].map((each) => assert.rejects(each, /it is over/));
  turns.giveUp(new Error('it is over'));
  await Promise.all(told);
  for (const endTurn of hold) endTurn();
  (await turns.take(true))();
});
