/** What happens to calls of the PostgreSQL store when the way to the database, or the database itself, fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import type { AppendResult, Store } from '../../src/store/store.ts';
import { isError, stored } from '../contract/store-subject.ts';
import { noOwnPostgres, noPostgres, PostgresServer, temporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres } from './postgres-fixture.ts';
import { PostgresProxy } from './postgres-proxy.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const skip = { skip: noPostgres };

async function idsOf(store: Store, transactionId: string): Promise<readonly string[]> {
  return ((await store.read(transactionId, { after: 0, limit: 1_000 }))?.messages ?? assert.fail()).map(({ id }) => id);
}

test('an append whose connection is cut, at whatever byte, is one message and is told so', skip, async (t) => {
  await using database = await temporaryDatabase();
  await using proxy = await PostgresProxy.start(database.url);
  await using opened = await openPostgres(proxy.url);
  const { store } = opened;
  await store.open(transaction('a'));
  // The second goes by a statement that the connection knows.
  for (const id of ['first', 'second']) await store.append(message('a', id));
  proxy.count();
  await store.append(message('a', 'measured'));
  const { client, server } = proxy.seen;
  assert.ok(client > 50 && server > 20, `${client} bytes and ${server}`);
  const points = (end: number): number[] => [...new Set([0, 1, Math.floor(end / 2), end - 1, end])];
  const cuts = [
    ...points(client).map((after) => ({ side: 'client', after }) as const),
    ...points(server).map((after) => ({ side: 'server', after }) as const),
  ];
  // Nameless ones, which nothing but the batch itself could tell apart.
  const ids: string[] = [];
  for (const cut of cuts) {
    await store.append(message('a', `before ${cut.side} ${cut.after}`));
    proxy.cutOnce(cut);
    ids.push(stored(await store.append({ transactionId: 'a', type: 'note', data: '1' })).id);
    // What is cut after its last byte is seen by the next call.
    await store.check();
  }
  assert.equal(proxy.cuts, cuts.length);
  t.diagnostic(`${cuts.length} cuts`);
  assert.deepEqual(
    (await idsOf(store, 'a')).filter((id) => id.startsWith('msg_')),
    ids,
  );
});

test('every other write whose confirmation is lost is answered as it was', skip, async () => {
  await using database = await temporaryDatabase();
  await using proxy = await PostgresProxy.start(database.url);
  await using opened = await openPostgres(proxy.url);
  const { store } = opened;
  await store.open(transaction('a', { reference: 'r' }));
  await store.append(message('a', 'm'));
  const lost = async <T>(call: () => Promise<T>): Promise<T> => {
    await store.check();
    const before = proxy.cuts;
    proxy.cutOnce({ side: 'server', after: 1 });
    const result = await call();
    assert.equal(proxy.cuts, before + 1);
    return result;
  };
  assert.equal((await lost(() => store.receive(event('1', 'r')))).outcome, 'stored');
  assert.equal((await lost(() => store.receive(event('2', 'other')))).outcome, 'parked');
  const delivered = { kind: 'delivered', from: 1, to: 2, at: Date.now() } as const;
  assert.deepEqual(await lost(() => store.mark({ transactionId: 'a', marks: [delivered] })), {
    lastSequence: 2,
    ackedSequence: 0,
  });
  assert.equal((await store.receipt('a', 'm'))?.attempts, 1, 'counted once');
  assert.equal(await lost(() => store.revokeToken('a', 'token')), true);
  assert.equal(await lost(() => store.settle('a')), 'settled');
  assert.equal((await lost(() => store.open(transaction('b', { reference: 'other' })))).outcome, 'opened');
  assert.equal((await idsOf(store, 'b')).length, 1);
  assert.equal(await lost(() => store.forget('a')), true);
});

test('a batch that stalls on its way, and comes when it was done anew, is nothing', skip, async () => {
  await using database = await temporaryDatabase();
  await using proxy = await PostgresProxy.start(database.url);
  await using opened = await openPostgres(proxy.url, { answerMs: 300 });
  const { store } = opened;
  await store.open(transaction('a'));
  await store.append(message('a', 'known'));
  proxy.isHolding = { client: true };
  const append = store.append({ transactionId: 'a', type: 'note', data: '1' });
  // Held until the store has given the connection up; then only what was held stays behind.
  await opened.left();
  proxy.isHolding = {};
  assert.equal(stored(await append).sequence, 2);
  proxy.release();
  await using direct = await openPostgres(database.url);
  for (let look = 0; look < 20; look += 1) assert.equal((await idsOf(direct.store, 'a')).length, 2);
  assert.equal(stored(await store.append(message('a', 'after'))).sequence, 3);
});

test('a commit whose answer stalls is found done', skip, async () => {
  await using database = await temporaryDatabase();
  await using proxy = await PostgresProxy.start(database.url);
  await using opened = await openPostgres(proxy.url, { answerMs: 300 });
  const { store } = opened;
  await store.open(transaction('a'));
  proxy.isHolding = { server: true };
  const append = store.append({ transactionId: 'a', type: 'note', data: '1' });
  await opened.left();
  proxy.isHolding = {};
  const { id } = stored(await append);
  assert.deepEqual(await idsOf(store, 'a'), [id]);
});

test(
  'where nobody answers, calls fail within their time, the next at once, and all is well when somebody does',
  skip,
  async () => {
    await using database = await temporaryDatabase();
    await using proxy = await PostgresProxy.start(database.url);
    await using opened = await openPostgres(proxy.url, { answerMs: 1_000, patienceMs: 400 });
    const { store } = opened;
    await store.open(transaction('a'));
    proxy.isHolding = { client: true, server: true };
    const start = performance.now();
    await assert.rejects(store.append(message('a', 'm')), isError('store_unavailable'));
    await assert.rejects(store.read('a', { after: 0, limit: 1 }), isError('store_unavailable'));
    assert.ok(performance.now() - start < 20_000);
    proxy.cutAll();
    proxy.isHolding = {};
    assert.notEqual((await store.append(message('a', 'm'))).outcome, 'unknown');
    assert.deepEqual(await idsOf(store, 'a'), ['m']);
  },
);

test('a server that is stopped and started again costs nothing but an answer', { skip: noOwnPostgres }, async () => {
  // What is committed is to survive its crash.
  await using server = await PostgresServer.start(['fsync=off']);
  await using database = await server.migrated();
  await using opened = await openPostgres(database.url, { patienceMs: 300 });
  const { store } = opened;
  await store.open(transaction('a'));
  const kept = [stored(await store.append(message('a', 'before'))).id];
  for (const how of ['stop', 'kill'] as const) {
    await server.stop(how);
    await assert.rejects(store.append(message('a', `${how} 1`)), isError('store_unavailable'));
    const start = performance.now();
    const calls = Array.from({ length: 50 }, (_, index) => store.append(message('a', `${how} at once ${index}`)));
    for (const result of await Promise.allSettled(calls)) {
      assert.ok(result.status === 'rejected' && isError('store_unavailable')(result.reason));
    }
    assert.ok(performance.now() - start < 2_000, 'nobody waits for what is known to be away');
    await assert.rejects(store.check(), isError('store_unavailable'));
    await server.resume();
    kept.push(stored(await store.append(message('a', `${how} 2`))).id);
    assert.deepEqual(
      (await idsOf(store, 'a')).filter((id) => kept.includes(id)),
      kept,
    );
  }
});

test('who comes while the server is away for a moment is answered when it is back', { skip: noOwnPostgres }, async () => {
  await using server = await PostgresServer.start();
  await using database = await server.migrated();
  await using opened = await openPostgres(database.url, { patienceMs: 20_000 });
  const { store } = opened;
  await store.open(transaction('a'));
  await server.stop();
  const append = store.append({ transactionId: 'a', type: 'note', data: '1' });
  const read = store.read('a', { after: 0, limit: 1 });
  await server.resume();
  const { id } = stored(await append);
  assert.notEqual(await read, undefined);
  assert.deepEqual(await idsOf(store, 'a'), [id]);
});

test('an app that holds a transaction holds up who writes to it, and nobody else', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store } = opened;
  for (const id of ['a', 'b']) await store.open(transaction(id));
  const app = new Client({ connectionString: database.url });
  await app.connect();
  try {
    await app.query(`BEGIN; SELECT FROM ringback.transactions WHERE id = 'a' FOR UPDATE`);
    const order: string[] = [];
    const note = async (name: string, call: Promise<unknown>): Promise<void> => {
      await call;
      order.push(name);
    };
    const held = [
      note('append', store.append(message('a', 'm'))),
      note('mark', store.mark({ transactionId: 'a', marks: [{ kind: 'handled', upTo: 1, except: [], at: Date.now() }] })),
      note('append after it', store.append(message('a', 'n'))),
    ];
    for (let index = 0; index < 20; index += 1) await note('another', store.append(message('b', `m${index}`)));
    assert.equal((await store.read('a', { after: 0, limit: 1 }))?.lastSequence, 0, 'who reads is not held up');
    await app.query('COMMIT');
    await Promise.all(held);
    assert.deepEqual(order, [...Array.from({ length: 20 }, () => 'another'), 'append', 'mark', 'append after it']);
    assert.deepEqual(await idsOf(store, 'a'), ['m', 'n']);
    assert.equal((await store.read('a', { after: 0, limit: 1 }))?.ackedSequence, 1);
  } finally {
    await app.end();
  }
});

test('a call that cannot be stored fails alone', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store } = opened;
  await store.open(transaction('a'));
  const data = ['1', '"\0"', '2', '"\ud800"', '3'];
  const results = await Promise.allSettled(data.map((each, index) => store.append({ ...message('a', `m${index}`), data: each })));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  );
  for (const name of ['\0', '\ud800']) {
    await assert.rejects(store.append(message('a', name)), isError('internal_error'));
    assert.deepEqual(await store.append(message(name, 'm')), { outcome: 'unknown' });
    assert.equal(await store.transaction(name), undefined);
    assert.equal(await store.receipt('a', name), undefined);
    assert.equal(await store.findToken(name), undefined);
  }
  const error = 'no \0 \ud800 at all';
  await store.mark({ transactionId: 'a', marks: [{ kind: 'failed', sequence: 1, error, at: Date.now() }] });
  assert.equal((await store.receipt('a', 'm0'))?.error, error);
});

test('serialization failures and deadlocks are tried again', skip, async () => {
  await using database = await temporaryDatabase();
  await using opened = await openPostgres(database.url);
  const { store } = opened;
  await store.open(transaction('a'));
  for (const [index, state] of ['40001', '40P01', '23505'].entries()) {
    await opened.run(`
      CREATE SEQUENCE ringback.refusals_${state};
      CREATE FUNCTION ringback.refuse_${state}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        -- A sequence goes on also where everything else is undone.
        IF nextval('ringback.refusals_${state}') <= 2 THEN RAISE EXCEPTION 'no' USING ERRCODE = '${state}'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON ringback.messages FOR EACH ROW EXECUTE FUNCTION ringback.refuse_${state}();`);
    const result: AppendResult = await store.append({ transactionId: 'a', type: 'note', data: '1' });
    assert.equal(stored(result).sequence, index + 1, state);
    await opened.run('DROP TRIGGER refuse ON ringback.messages');
  }
});
