/** The tables of the PostgreSQL store: made once, read by indexes, and no larger for what has come and gone. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { migrate, migrationNames, StoreDatabaseError } from '../../src/postgres/migrate.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { noPostgres, sharedPostgres, temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres } from './postgres-fixture.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noPostgres };

async function rows<Row extends object>(database: TemporaryDatabase, sql: string): Promise<readonly Row[]> {
  return (await sharedPostgres()).run<Row>(sql, database);
}

test('however many instances start at once, each migration is done once', skip, async () => {
  const server = await sharedPostgres();
  await using database = await server.empty();
  await Promise.all(Array.from({ length: 8 }, () => migrate(database.url)));
  await migrate(database.url);
  const names = (await rows<{ name: string }>(database, 'SELECT name FROM ringback.migrations ORDER BY name')).map(
    ({ name }) => name,
  );
  assert.deepEqual(names, migrationNames());
  assert.ok(names.length >= 3);
});

test(
  'a database of an older program gets what it lacks, while its instances are at work, and keeps what it has',
  skip,
  async () => {
    const server = await sharedPostgres();
    await using database = await server.empty();
    const older = migrationNames().slice(0, -1);
    const files = older.map((name) =>
      readFileSync(new URL(`../../src/postgres/migrations/${name}.sql`, import.meta.url), 'utf8'),
    );
    const noted = older.map((name) => `INSERT INTO ringback.migrations VALUES ('${name}', now())`);
    const table =
      'CREATE SCHEMA ringback; CREATE TABLE ringback.migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL)';
    await server.run([table, ...files, ...noted].join(';'), database);
    await using opened = await openPostgres(database.url);
    await opened.store.open(transaction('a'));
    await opened.store.append(message('a', 'before'));
    await Promise.all([migrate(database.url), migrate(database.url), opened.store.append(message('a', 'meanwhile'))]);
    assert.deepEqual(
      (await rows<{ name: string }>(database, 'SELECT name FROM ringback.migrations ORDER BY name')).map(({ name }) => name),
      migrationNames(),
    );
    assert.equal((await opened.store.read('a', { after: 0, limit: 9 }))?.lastSequence, 2);
    assert.notEqual(await opened.store.transaction('a'), undefined, 'with its connections, whose nodes are new');
  },
);

test('an instance that may create nothing starts where nothing is to be created', skip, async () => {
  const server = await sharedPostgres();
  await using database = await temporaryDatabase();
  const role = `small_${process.pid}`;
  const grants = ['USAGE ON SCHEMA ringback', 'ALL ON ALL TABLES IN SCHEMA ringback', 'ALL ON ALL FUNCTIONS IN SCHEMA ringback'];
  await server.run(
    `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; ${grants.map((each) => `GRANT ${each} TO ${role};`).join('')}`,
    database,
  );
  try {
    const url = Object.assign(new URL(database.url), { username: role, password: 'secret' });
    await migrate(url.href);
    await using opened = await openPostgres(url.href);
    assert.equal((await opened.store.open(transaction('a'))).outcome, 'opened');
    await server.run('DELETE FROM ringback.migrations', database);
    await assert.rejects(migrate(url.href), StoreDatabaseError, 'it has not the right');
  } finally {
    await server.run(`DROP OWNED BY ${role}; DROP ROLE ${role}`, database);
  }
});

test('a database that a newer program has changed is refused, and left as it is', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  await opened.run(`INSERT INTO ringback.migrations (name, applied_at) VALUES ('9999-later', now())`);
  await assert.rejects(
    migrate(database.url),
    (error) => error instanceof StoreDatabaseError && /newer.*9999-later/.test(error.message),
  );
});

test('a database that is not there, or not to be reached, is named by what is wrong, without its password', skip, async () => {
  const { url } = await sharedPostgres();
  const missing = new URL(url);
  missing.pathname = '/nowhere';
  missing.password = 'canary';
  for (const wrong of [missing.href, 'postgres://u:canary@127.0.0.1:1/d']) {
    await assert.rejects(migrate(wrong), (error) => error instanceof StoreDatabaseError && !error.message.includes('canary'));
  }
});

test('what has come and gone leaves no room behind that is not used again', skip, async (t) => {
  await using database = await temporaryDatabase();
  const clock = new ManualClock();
  await using opened = await openPostgres(database.url, {
    clock,
    limits: { parkMs: 1_000, dedupeMs: 1_000, retentionMs: 1_000 },
  });
  const { store } = opened;
  const size = async (): Promise<number> => {
    // What autovacuum does as often as its settings say; here by hand, so that nothing has to be waited for.
    await opened.run('VACUUM');
    const [row] = await rows<{ bytes: string }>(
      database,
      `SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes FROM pg_class c
       WHERE c.relnamespace = 'ringback'::regnamespace AND c.relkind = 'r'`,
    );
    return Number(row?.bytes);
  };
  const data = JSON.stringify('x'.repeat(500));
  const cycle = async (name: number): Promise<void> => {
    const ids = Array.from({ length: 150 }, (_, index) => `${name} ${index}`);
    await Promise.all(ids.map((id) => store.open(transaction(id, { ttlMs: 1_000, metadata: data }))));
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(ids.map((id) => store.append({ ...message(id, `m${round}`, data), key: `k${round}` })));
      await Promise.all(
        ids.map((id) =>
          store.mark({ transactionId: id, marks: [{ kind: 'delivered', from: round + 1, to: round + 1, at: clock.now() }] }),
        ),
      );
    }
    await Promise.all(ids.map((id) => store.addTicket({ hash: id, transactionId: id, ttlMs: 10 })));
    await Promise.all(ids.map((id) => store.receive(event(id, `ref ${id}`))));
    clock.advance(2_001);
    for (let more = true; more;) ({ more } = await store.sweep(100));
  };
  const sizes: number[] = [];
  for (let count = 0; count < 6; count += 1) {
    await cycle(count);
    sizes.push(await size());
  }
  t.diagnostic(sizes.join());
  const [, second = 0] = sizes;
  for (const later of sizes.slice(2)) assert.ok(later <= second * 1.1, sizes.join());
  const left = await rows<{ name: string; count: string }>(
    database,
    ['transactions', 'details', 'messages', 'names', 'receipts', 'tokens', 'tickets', 'events', 'parked']
      .map((name) => `SELECT '${name}' AS name, count(*) AS count FROM ringback.${name}`)
      .join(' UNION ALL '),
  );
  for (const { name, count } of left) assert.equal(Number(count), 0, name);
  const counts = await rows<{ name: string; sum: string }>(
    database,
    `SELECT name, sum(value)::bigint AS sum FROM ringback.counts WHERE name <> 'open_since' GROUP BY name ORDER BY name`,
  );
  assert.deepEqual(
    counts.map(({ name, sum }) => [name, Number(sum)]),
    [
      ['open', 0],
      ['parked', 0],
    ],
  );
});
