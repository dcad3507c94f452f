/** What an app appends by SQL, in its own transaction: the function that `docs/outbox.md` describes, and what it says there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, DatabaseError } from 'pg';
import { stored } from '../contract/store-subject.ts';
import { blocksOf } from '../docs/blocks.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { addNode, openPostgres, type OpenPostgres } from './postgres-fixture.ts';
import { message, transaction } from './sqlite-fixture.ts';

const APPEND = 'SELECT * FROM ringback.append($1, $2, $3, $4)';

interface Appended {
  readonly id: string;
  readonly sequence: string;
  readonly duplicate: boolean;
}

interface Scene extends OpenPostgres {
  readonly app: Client;
  append(...args: readonly (string | null)[]): Promise<Appended>;
}

function outbox(title: string, run: (scene: Scene) => Promise<void>): void {
  test(title, { skip: noPostgres }, async () => {
    await using database = await temporaryDatabase();
    await using opened = await openPostgres(database.url, { limits: { messagesPerTransaction: 5, mailboxBytes: 1_000 } });
    const app = new Client({ connectionString: database.url });
    await app.connect();
    const append = async (...args: readonly (string | null)[]): Promise<Appended> =>
      (await app.query<Appended>(APPEND, [...args])).rows[0] ?? assert.fail();
    try {
      await run({ ...opened, app, append });
    } finally {
      await app.end();
    }
  });
}

function hasState(state: string): (error: unknown) => boolean {
  return (error) => error instanceof DatabaseError && error.code === state;
}

outbox('a message is there when the app has committed, and not before', async ({ store, app, append }) => {
  await store.open(transaction('txn_a', { reference: 'order-1' }));
  await app.query('BEGIN');
  const first = await append('txn_a', 'paid', '{"amount" : 1.50}', 'key');
  assert.deepEqual([first.sequence, first.duplicate], ['1', false]);
  assert.match(first.id, /^msg_[\w-]{24}1$/);
  assert.equal((await append('order-1', 'shipped', '[1,\n\t2]', null)).sequence, '2');
  assert.equal((await store.read('txn_a', { after: 0, limit: 9 }))?.lastSequence, 0);
  await app.query('COMMIT');
  const { messages = [] } = (await store.read('txn_a', { after: 0, limit: 9 })) ?? {};
  assert.deepEqual(
    messages.map(({ sequence, type, data }) => [sequence, type, data]),
    [
      [1, 'paid', '{"amount" : 1.50}'],
      [2, 'shipped', '[1,  2]'],
    ],
  );
  assert.equal(messages[0]?.id, first.id);
  assert.equal((await store.receipt('txn_a', first.id))?.sequence, 1);
  assert.equal(stored(await store.append(message('txn_a', 'm'))).sequence, 3);
});

outbox('a rollback leaves nothing: no message, no key, no gap', async ({ store, app, append }) => {
  await store.open(transaction('txn_a'));
  await app.query('BEGIN');
  await append('txn_a', 'paid', '1', 'key');
  await app.query('ROLLBACK');
  assert.deepEqual((await store.read('txn_a', { after: 0, limit: 9 }))?.messages, []);
  assert.equal(stored(await store.append({ transactionId: 'txn_a', type: 'other', data: '2', key: 'key' })).sequence, 1);
});

outbox('a key is the same by SQL and by the API', async ({ store, append }) => {
  await store.open(transaction('txn_a'));
  const bySql = await append('txn_a', 'paid', '1', 'key');
  assert.equal((await append('txn_a', 'paid', '1', 'key')).duplicate, true);
  const result = await store.append({ transactionId: 'txn_a', type: 'paid', data: '1', key: 'key' });
  assert.ok(result.outcome === 'duplicate' && result.message.id === bySql.id);
  const byApi = stored(await store.append({ transactionId: 'txn_a', type: 'paid', data: '2' }));
  assert.deepEqual(await append('txn_a', 'paid', '2', byApi.id), { id: byApi.id, sequence: '2', duplicate: true });
  await assert.rejects(append('txn_a', 'paid', '3', 'key'), hasState('23505'));
});

outbox('what is refused is an exception with a state of its own', async ({ store, append }) => {
  for (const id of ['txn_a', 'txn_b', 'txn_full']) await store.open(transaction(id, { reference: `ref ${id}` }));
  await store.settle('txn_b');
  for (let index = 0; index < 5; index += 1) await append('txn_full', 'note', '1', null);
  const refusals: readonly (readonly [state: string, ...args: (string | null)[]])[] = [
    ['P0002', 'txn_never', 'note', '1', null],
    ['P0002', 'never', 'note', '1', null],
    ['55000', 'txn_b', 'note', '1', null],
    ['55000', 'ref txn_b', 'note', '1', null],
    ['54000', 'txn_full', 'note', '1', null],
    ['54000', 'txn_a', 'note', JSON.stringify('x'.repeat(1_000)), null],
    ['22023', 'txn_a', 'no type', '1', null],
    ['22023', 'txn_a', '', '1', null],
    ['22023', 'txn_a', null, '1', null],
    ['22023', 'txn_a', 'note', '1', ''],
    ['22023', 'txn_a', 'note', '1', 'a\nb'],
    ['22023', 'txn_a', 'note', null, null],
    ['22023', 'txn_a', 'note', JSON.stringify('x'.repeat(65_536)), null],
    ['22P02', 'txn_a', 'note', 'no json', null],
  ];
  for (const [state, ...args] of refusals)
    await assert.rejects(append(...args), hasState(state), `${state} ${args.join()}`.slice(0, 80));
  assert.equal((await store.read('txn_a', { after: 0, limit: 1 }))?.lastSequence, 0);
});

outbox('it rings where the readers are when the app commits, and only then', async ({ store, app, pool, append, run }) => {
  await store.open(transaction('txn_a'));
  await addNode(pool, 'one');
  await run(`INSERT INTO ringback.readers (transaction_id, node) VALUES ('txn_a', 'one')`);
  const heard: (string | undefined)[] = [];
  app.on('notification', ({ channel, payload }) => heard.push(`${channel} ${payload}`));
  await app.query('LISTEN ringback_one');
  await app.query('BEGIN');
  await append('txn_a', 'note', '1', null);
  await app.query('ROLLBACK');
  await append('txn_a', 'note', '1', 'key');
  await append('txn_a', 'note', '1', 'key');
  await app.query('SELECT 1');
  assert.deepEqual(heard, ['ringback_one txn_a'], 'once: a duplicate is no news');
});

outbox('an app with no other rights may call it, as the page says', async ({ store, app, append, run }) => {
  await store.open(transaction('txn_a'));
  const page = blocksOf('docs/outbox.md');
  const grant = page.find(({ name }) => name === 'grant')?.code ?? assert.fail();
  const role = `shop_${process.pid}`;
  await run(`CREATE ROLE ${role}; ${grant.replaceAll('shop', role)}`);
  try {
    await app.query(`SET ROLE ${role}`);
    assert.equal((await append('txn_a', 'note', '1', null)).sequence, '1');
    for (const query of ['SELECT FROM ringback.messages', 'SELECT ringback.now_ms()'])
      await assert.rejects(app.query(query), hasState('42501'));
  } finally {
    await app.query('RESET ROLE');
    await run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

outbox('the statements of the page do what it says', async ({ store, run }) => {
  await store.open(transaction('txn_a', { reference: 'order-17' }));
  await run(`CREATE TABLE orders (reference text, paid boolean); INSERT INTO orders VALUES ('order-17', false)`);
  const append = blocksOf('docs/outbox.md').find(({ name }) => name === 'append')?.code ?? assert.fail();
  await run(append);
  const { messages = [] } = (await store.read('txn_a', { after: 0, limit: 9 })) ?? {};
  assert.deepEqual(
    messages.map(({ type, data }) => [type, data]),
    [['payment.succeeded', '{"amount": 4200}']],
  );
});
