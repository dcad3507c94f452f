/** A database that goes away while an instance starts on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { startServer } from '../fixtures/server.ts';
import { PostgresProxy } from '../store/postgres-proxy.ts';

const CUTS = 12;
/** What a server says of itself to a connection that it has let in. */
const READY_BYTES = 300;
const LONGEST_WAIT_MS = 20_000;

test(
  'an instance whose database is cut off while it starts says so in words for people, or runs',
  { skip: noPostgres },
  async (t) => {
    await using database = await temporaryDatabase();
    await using proxy = await PostgresProxy.start(database.url);
    await (await startServer({ store: proxy.url })).drain();
    const { server: bytes } = proxy.seen;
    let failed = 0;
    for (let number = 1; number <= CUTS; number++) {
      proxy.cutOnce({ side: 'server', after: Math.floor((number / CUTS) * bytes) });
      try {
        await (await startServer({ store: proxy.url })).drain();
      } catch (error) {
        failed++;
        assert.match(String(error), /^StoreDatabaseError: cannot use the PostgreSQL database as a store: /);
      }
    }
    t.diagnostic(`${failed} of ${CUTS} starts failed`);
    assert.ok(proxy.cuts > CUTS / 2 && failed > CUTS / 4);
  },
);

test('an instance does not wait for a database that has fallen silent while it starts', { skip: noPostgres }, async () => {
  await using database = await temporaryDatabase();
  await using proxy = await PostgresProxy.start(database.url);
  const starting = startServer({ store: proxy.url });
  const refused = assert.rejects(starting, /^StoreDatabaseError: cannot use the PostgreSQL database as a store: /);
  // It has said that it is ready, and not yet what it was asked.
  while (proxy.seen.server < READY_BYTES) await new Promise((resolve) => setImmediate(resolve));
  proxy.isHolding = { server: true };
  const begunAt = performance.now();
  await refused;
  assert.ok(performance.now() - begunAt < LONGEST_WAIT_MS);
});
