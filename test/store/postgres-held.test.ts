/** What an app that leaves its transaction open holds up: the one mailbox that it has written to, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres, type OpenPostgres } from './postgres-fixture.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const HELD = ['txn_1', 'txn_2', 'txn_3', 'txn_4'] as const;
const [X] = HELD;

interface Scene extends OpenPostgres {
  readonly url: string;
  /** While nobody has let go. @returns what the call answers when the app has */
  waits<T>(call: () => Promise<T>): Promise<Waits<T>>;
  letGo(): Promise<void>;
}

/** Not a promise, so that it can be returned from an asynchronous function. */
interface Waits<T> {
  readonly answer: () => Promise<T>;
}

/** Registers a test with an app that holds four transactions, and `txn_free`, which nobody holds. */
function held(title: string, run: (scene: Scene) => Promise<void>): void {
  test(title, { skip: noPostgres }, async () => {
    await using database = await temporaryDatabase();
    await using opened = await openPostgres(database.url);
    const app = new Client({ connectionString: database.url });
    await app.connect();
    const { store, pool } = opened;
    for (const id of [...HELD, 'txn_free']) await store.open(transaction(id, { reference: `ref ${id}` }));
    await app.query('BEGIN');
    for (const id of HELD) await app.query(`SELECT ringback.append($1, 'note', '1')`, [id]);
    let hasLetGo = false;
    const waiting: Promise<void>[] = [];
    const waits: Scene['waits'] = async (call) => {
      const answer = call();
      const watched = answer.then(() => assert.ok(hasLetGo, 'answered while the app held on'));
      // It is rejected when something else stood still, so that the app let go too late: seen in the end.
      watched.catch(() => undefined);
      waiting.push(watched);
      await lockWait(pool);
      return { answer: () => answer };
    };
    const letGo = async (): Promise<void> => {
      hasLetGo = true;
      await app.query('ROLLBACK');
    };
    try {
      await run({ ...opened, url: database.url, waits, letGo });
      if (!hasLetGo) await letGo();
      assert.ok(waiting.length > 0);
      await Promise.all(waiting);
    } finally {
      await Promise.allSettled(waiting);
      await app.end();
    }
  });
}

/** Resolves when somebody waits for a lock. */
async function lockWait(pool: OpenPostgres['pool']): Promise<void> {
  const text = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await pool.query({ name: 'lock_wait', text }, [])).length === 0);
}

held('while an append waits, events and openings by reference do not', async ({ store, waits }) => {
  await waits(() => store.append(message(X, 'held')));
  assert.equal((await store.receive(event('1', 'ref txn_free'))).outcome, 'stored');
  assert.equal((await store.receive(event('2', 'nobody'))).outcome, 'parked');
  assert.equal((await store.open(transaction('txn_new', { reference: 'new' }))).outcome, 'opened');
});

held('while an append waits, its page may still negotiate', async ({ store, waits }) => {
  await waits(() => store.append(message(X, 'held')));
  assert.equal(await store.addTicket({ hash: 'ticket', transactionId: X, ttlMs: 60_000 }), true);
});

held('while an event by reference waits, appends and openings do not', async ({ store, waits }) => {
  await waits(() => store.receive(event('1', `ref ${X}`)));
  assert.equal((await store.append(message('txn_free', 'm'))).outcome, 'stored');
  assert.equal((await store.open(transaction('txn_new', { reference: 'new' }))).outcome, 'opened');
});

held('while an event waits at one instance, others that come to another with its hash or its reference do not', async (scene) => {
  const { store, url, waits, letGo } = scene;
  await using other = await openPostgres(url);
  const first = await waits(() => store.receive(event('1', `ref ${X}`)));
  const others = [event('1', `ref ${X}`), event('2', `ref ${X}`), event('3', 'ref txn_free')];
  const [again, second, free] = others.map((each) => other.store.receive(each));
  assert.equal((await free)?.outcome, 'stored');
  await letGo();
  const outcomes = [(await first.answer()).outcome, (await again)?.outcome];
  assert.deepEqual(new Set(outcomes), new Set(['duplicate', 'stored']));
  assert.equal((await second)?.outcome, 'stored');
});

held('appends to one that is held come in their order, with those that were asked while they waited', async (scene) => {
  const { store, waits, letGo } = scene;
  const names = ['1', '2', '3', '4', '5'];
  const first = await waits(() => store.append(message(X, '0')));
  const rest = names.map((name) => store.append(message(X, name)));
  const received = store.receive(event('6', `ref ${X}`));
  await store.check();
  await letGo();
  assert.equal((await first.answer()).outcome, 'stored');
  assert.equal((await received).outcome, 'stored');
  await Promise.all(rest);
  const { messages = [] } = (await store.read(X, { after: 0, limit: 9 })) ?? {};
  const inOrder = messages.map(({ id }) => id).filter((id) => id !== 'message-6');
  assert.deepEqual([messages.length, inOrder], [7, ['0', ...names]]);
});

held('appends of one turn to one that is held come in their order', async (scene) => {
  const { store, waits, letGo } = scene;
  const names = Array.from({ length: 30 }, (_, index) => String(index));
  const all: Promise<unknown>[] = [];
  const first = await waits(() => {
    all.push(...names.map((name) => store.append(message(X, name))));
    return Promise.all(all);
  });
  await letGo();
  await first.answer();
  const { messages = [] } = (await store.read(X, { after: 0, limit: 99 })) ?? {};
  assert.deepEqual(
    messages.map(({ id }) => id),
    names,
  );
});

held('behind a second append to one that is held, events by reference and what comes after them do not wait', async (scene) => {
  const { store, waits } = scene;
  await waits(() => store.append(message(X, 'held')));
  const second = store.append(message(X, 'second'));
  // Ends when somebody else holds on: the app lets go after the scene.
  second.catch(() => undefined);
  assert.equal((await store.append(message('txn_free', 'before'))).outcome, 'stored');
  const received = store.receive(event('1', 'ref txn_free'));
  const after = store.append(message('txn_free', 'after'));
  assert.equal((await received).outcome, 'stored');
  assert.equal((await after).outcome, 'stored');
  assert.equal((await store.open(transaction('txn_new', { reference: 'new' }))).outcome, 'opened');
});

held('marks of one that is held keep those of no other waiting', async ({ store, waits }) => {
  await store.append(message('txn_free', 'm'));
  const mark = (transactionId: string, sequence: number) =>
    store.mark({ transactionId, marks: [{ kind: 'handled', upTo: sequence, except: [], at: Date.now() }] });
  const [marked] = await Promise.all([mark('txn_free', 1), waits(() => mark(X, 1))]);
  assert.deepEqual(marked, { lastSequence: 1, ackedSequence: 1 });
});

held('settling one that is held keeps waiting neither those of its batch nor who counts the open ones', async (scene) => {
  const { store, waits, letGo, run } = scene;
  const others = ['a', 'b', 'c', 'd'];
  for (const id of others) await store.open(transaction(id));
  const settling = waits(() => store.settle(X));
  assert.deepEqual(await Promise.all(others.map((id) => store.settle(id))), Array(4).fill('settled'));
  const settled = await settling;
  await run('SET lock_timeout = 2000; SELECT pg_advisory_xact_lock(ringback.open_lock())');
  await letGo();
  assert.equal(await settled.answer(), 'settled');
});

held('forgetting as many as there are lanes holds up nobody, nor who counts the open ones', async (scene) => {
  const { store, waits, letGo, run } = scene;
  const forgotten = await Promise.all(HELD.map((id) => waits(() => store.forget(id))));
  assert.equal((await store.append(message('txn_free', 'm'))).outcome, 'stored');
  await run('SET lock_timeout = 2000; SELECT pg_advisory_xact_lock(ringback.open_lock())');
  await letGo();
  assert.deepEqual(await Promise.all(forgotten.map(({ answer }) => answer())), [true, true, true, true]);
  assert.equal(await store.transaction(X), undefined);
});

held('a revocation takes effect at once where the mailbox is held, also behind an append that waits', async (scene) => {
  const { store, waits } = scene;
  await store.addTicket({ hash: 'ticket', transactionId: X, tokenId: 'token', ttlMs: 1e6 });
  await store.addCallback(X, { id: 'callback', hash: 'callback' });
  await waits(() => store.append(message(X, 'held')));
  const before = await store.versions([X, 'txn_free']);
  assert.equal(await store.revokeToken(X, 'token'), true);
  assert.equal(await store.revokeToken(X, 'token'), false);
  assert.equal(await store.revokeCallback(X, 'callback'), true);
  assert.equal(await store.findTicket('ticket'), undefined);
  assert.equal((await store.read(X, { after: 0, limit: 1, tokenId: 'token' }))?.tokenIsGood, false);
  const after = await store.versions([X, 'txn_free']);
  assert.notEqual(after[0], before[0], 'other nodes see it by looking');
  assert.equal(after[1], before[1]);
});
