/** How the PostgreSQL store shares commits, and what it does when its transactions collide with others. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Client } from 'pg';
import { sqlState } from '../../src/postgres/faults.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import type { Pool } from '../../src/postgres/pool.ts';
import { stored } from '../contract/store-subject.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres } from './postgres-fixture.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noPostgres };
const CALLERS = 64;

/** Statements of a pool from now on, and what they failed with. */
function watch(pool: Pool): { statements: number; readonly states: (string | undefined)[] } {
  const seen = { statements: 0, states: Array<string | undefined>() };
  const query = pool.query.bind(pool);
  mock.method(pool, 'query', async (...args: Parameters<typeof query>) => {
    seen.statements += 1;
    try {
      return await query(...args);
    } catch (error) {
      seen.states.push(sqlState(error));
      throw error;
    }
  });
  return seen;
}

async function connected(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** Transactions of the server that have written something, so far. */
async function written(client: Client): Promise<number> {
  const { rows } = await client.query<{ next: string }>('SELECT pg_snapshot_xmax(pg_current_snapshot()) AS next');
  return Number(rows[0]?.next);
}

test('callers that append at the same time share commits, each in one round trip', skip, async (t) => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  await using client = await connected(database.url);
  const { store, pool } = opened;
  const ids = Array.from({ length: CALLERS }, (_, index) => `t${index}`);
  await Promise.all(ids.map((id) => store.open(transaction(id))));
  const rounds = 20;
  const seen = watch(pool);
  const before = await written(client);
  await Promise.all(
    ids.map(async (id) => {
      for (let round = 0; round < rounds; round += 1) stored(await store.append(message(id, `m${round}`)));
    }),
  );
  const commits = (await written(client)) - before;
  const appends = CALLERS * rounds;
  t.diagnostic(`${appends} appends, ${commits} commits, ${seen.statements} statements`);
  assert.ok(commits >= rounds, 'nobody could have appended twice in one');
  assert.ok(commits <= appends / 8, `${commits} commits for ${appends} appends`);
  // Others, such as autovacuum, may have written too.
  assert.ok(seen.statements <= commits);
});

test('what is asked in one turn is one commit, for one transaction or for many, of each kind', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store, pool } = opened;
  const ids = Array.from({ length: CALLERS }, (_, index) => `t${index}`);
  const seen = watch(pool);
  const statementsOf = async (call: (id: string, index: number) => Promise<unknown>): Promise<number> => {
    const before = seen.statements;
    await Promise.all(ids.map(call));
    return seen.statements - before;
  };
  assert.equal(await statementsOf((id) => store.open(transaction(id, { reference: id }))), 1);
  assert.equal(await statementsOf((id) => store.append(message(id, 'm'))), 1);
  assert.equal(await statementsOf((_, index) => store.append(message('t0', `n${index}`))), 1);
  assert.equal(await statementsOf((id) => store.receive(event(id, id))), 1);
  assert.equal(await statementsOf((id) => store.read(id, { after: 0, limit: 10 })), 1);
  assert.equal(await statementsOf((id) => store.addTicket({ hash: id, transactionId: id, ttlMs: 1e6 })), 1);
  assert.equal(await statementsOf((id) => store.bindTicket(id, `connection ${id}`)), 1);
  const mark = { kind: 'handled', upTo: 1, except: [], at: Date.now() } as const;
  assert.equal(await statementsOf((id) => store.mark({ transactionId: id, marks: [mark] })), 1);
  assert.equal(await statementsOf((id) => store.settle(id)), 1);
});

test('a deadlock with an app is broken, and the call is done when the app lets go', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  await using app = await connected(database.url);
  const { store, pool } = opened;
  const seen = watch(pool);
  const lock = (which: 'least' | 'greatest'): string =>
    `SELECT pg_advisory_xact_lock(${which}(ringback.reference_lock('a'), ringback.reference_lock('b')))`;
  // Whoever finds the deadlock is the one to give way: the app never looks.
  await app.query(`SET deadlock_timeout = '1h'; BEGIN; ${lock('greatest')}`);
  const received = Promise.all([store.receive(event('1', 'a')), store.receive(event('2', 'b'))]);
  await waitingFor(app, 'advisory');
  // The store has the first, and wants the second; the app has the second, and wants the first.
  await app.query(lock('least'));
  assert.deepEqual(seen.states, ['40P01']);
  await app.query('COMMIT');
  assert.deepEqual(await received, [{ outcome: 'parked' }, { outcome: 'parked' }]);
});

/** Until a session of the store waits for a lock of this kind. */
async function waitingFor(client: Client, kind: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ringback store'
       AND wait_event_type = 'Lock' AND wait_event = $1`,
      [kind],
    );
    if (rowCount !== 0) return;
  }
}

test(
  'a session that is serializable fails now and then, and is tried again: each message once, without a gap',
  skip,
  async () => {
    await using database = await temporaryDatabase();
    const url = new URL(database.url);
    url.searchParams.set('options', '-c default_transaction_isolation=serializable');
    await using opened = await openPostgres(url.href);
    await using app = await connected(database.url);
    const { store, pool } = opened;
    await store.open(transaction('txn_a'));
    const seen = watch(pool);
    // Whoever waits for the app has looked before, and finds then that what it saw is no longer so.
    await app.query(`BEGIN; SELECT ringback.append('txn_a', 'note', '1')`);
    const appended = Promise.all(
      ['one', 'other'].map((key) => store.append({ transactionId: 'txn_a', type: 'note', data: '1', key })),
    );
    await waitingFor(app, 'transactionid');
    await app.query('COMMIT');
    await appended;
    assert.ok(seen.states.length > 0, 'nothing collided');
    assert.ok(
      seen.states.every((state) => state === '40001'),
      seen.states.join(),
    );
    const { messages = [] } = (await store.read('txn_a', { after: 0, limit: 10 })) ?? {};
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      [1, 2, 3],
    );
  },
);

test('a session keeps to what the store needs, whatever the database has for others', skip, async () => {
  await using database = await temporaryDatabase();
  {
    await using app = await connected(database.url);
    await app.query(`DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database());
      EXECUTE format('ALTER DATABASE %I SET enable_seqscan = on', current_database());
    END $$`);
  }
  await migrate(database.url);
  await using opened = await openPostgres(database.url);
  const settings = await opened.pool.query<{ isolation: string; scan: string }>(
    {
      name: 'settings',
      text: `SELECT current_setting('transaction_isolation') AS isolation, current_setting('enable_seqscan') AS scan`,
    },
    [],
  );
  assert.deepEqual(settings, [{ isolation: 'read committed', scan: 'off' }]);
});
