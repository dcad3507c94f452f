/** Messages whose rows are written later than they are: at every moment they are read, marked and removed like any other. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import type { Mark } from '../../src/store/store.ts';
import { seeded } from '../fixtures/seeded.ts';
import { bytesOf, Folder, message, openStore, StoreProcess, transaction } from './sqlite-fixture.ts';

interface Filed {
  readonly upTo: number;
  readonly rows: number;
  readonly messages: number;
}

/** By SQLite itself, which shares its locks between the connections of a process. */
function filedIn(file: string): Filed {
  const database = new DatabaseSync(file, { readOnly: true });
  const row = database
    .prepare(
      `SELECT (SELECT message FROM filed) AS upTo, (SELECT count(*) FROM messages) AS messages,
       (SELECT count(*) FROM mailboxes WHERE entry BETWEEN 1 AND 1e9) AS rows`,
    )
    .get();
  database.close();
  return { upTo: Number(row?.['upTo']), rows: Number(row?.['rows']), messages: Number(row?.['messages']) };
}

/** What each mailbox is to have: the data of its messages, and how many of the first are handled. */
type Model = Map<string, { readonly data: string[]; acked: number }>;

async function assertSame(store: SqliteStore, model: Model): Promise<void> {
  for (const [id, { data, acked }] of model) {
    const page = await store.read(id, { after: 0, limit: 100_000 });
    assert.deepEqual(
      page?.messages.map((each) => each.data),
      data,
    );
    assert.deepEqual(
      page.messages.map(({ sequence }) => sequence),
      data.map((_each, index) => index + 1),
    );
    assert.deepEqual([page.lastSequence, page.ackedSequence], [data.length, acked]);
    const after = Math.max(0, data.length - 3);
    const end = await store.read(id, { after, limit: 2 });
    assert.deepEqual(
      end?.messages.map((each) => each.data),
      data.slice(after, after + 2),
    );
    for (const [index, each] of [page.messages.at(acked - 1), page.messages.at(-1)].entries()) {
      if (each === undefined || (index === 0 && acked === 0)) continue;
      const receipt = await store.receipt(id, each.id);
      assert.deepEqual([receipt?.sequence, receipt?.handledAt !== undefined], [each.sequence, each.sequence <= acked]);
    }
  }
}

test('tens of thousands of messages are filed a few at a time, whatever happens to their mailboxes meanwhile', async () => {
  using folder = new Folder();
  const random = seeded(20261124);
  const model: Model = new Map();
  const pick = (): string => `t${Math.floor(random() ** 2 * 200)}`;
  for (let round = 0; round < 2; round += 1) {
    await using store = await openStore(folder.file());
    await assertSame(store, model);
    for (let step = 0; step < 60; step += 1) {
      const ids = Array.from({ length: 400 }, pick);
      await Promise.all(
        [...new Set(ids)]
          .filter((id) => !model.has(id))
          .map(async (id) => {
            model.set(id, { data: [], acked: 0 });
            await store.open(transaction(id));
          }),
      );
      const appends = ids.map((id, index) => {
        const data = `"${round} ${step} ${index}"`;
        model.get(id)?.data.push(data);
        return store.append({ transactionId: id, type: 'note', data });
      });
      assert.ok((await Promise.all(appends)).every(({ outcome }) => outcome === 'stored'));
      const [marked, removed] = [pick(), pick()];
      const mailbox = model.get(marked);
      if (mailbox !== undefined) {
        mailbox.acked = Math.max(mailbox.acked, Math.floor(random() * mailbox.data.length));
        await store.mark({ transactionId: marked, marks: [{ kind: 'handled', upTo: mailbox.acked, except: [], at: 1 }] });
      }
      if (step % 4 === 0 && model.delete(removed)) assert.equal(await store.forget(removed), true);
    }
    await assertSame(store, model);
  }
  const { upTo, rows, messages } = filedIn(folder.file());
  assert.ok(upTo > 0 && rows > 0 && rows < messages, `${rows} of ${messages} messages are filed, up to ${upTo}`);
  assert.equal(
    messages,
    [...model.values()].reduce((sum, { data }) => sum + data.length, 0),
    'no message without a mailbox',
  );
});

test('messages that are not filed survive a kill, and a batch that is undone', async () => {
  using folder = new Folder();
  await using running = new StoreProcess(folder.file(), { script: 'batch', probe: { at: 'before-commit', action: 'kill' } });
  await running.ended();
  await using store = await openStore(folder.file());
  assert.deepEqual(
    (await store.read('a', { after: 0, limit: 10 }))?.messages.map(({ id }) => id),
    ['m1', 'm2', 'm3'],
  );
  const broken: unknown = { kind: 'handled', upTo: 2, except: [], reply: { not: 'text' }, at: 1 };
  const results = await Promise.allSettled([
    store.append(message('a', 'm4')),
    Reflect.apply(store.mark, store, [[{ transactionId: 'a', marks: [broken] }]]),
    store.append(message('a', 'm5')),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(
    (await store.read('a', { after: 0, limit: 10 }))?.messages.map(({ id, sequence }) => [id, sequence]),
    ['m1', 'm2', 'm3', 'm4', 'm5'].map((id, index) => [id, index + 1]),
  );
  assert.equal((await store.receipt('a', 'm2'))?.handledAt, undefined);
});

test('a mark across the border of what is filed counts for both sides, and what is beyond stays unmarked', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a'));
  for (const id of ['m1', 'm2']) await store.append(message('a', id));
  await store.mark({ transactionId: 'a', marks: [{ kind: 'delivered', from: 1, to: 2, at: 1 }] });
  for (const id of ['m3', 'm4', 'm5', 'm6']) await store.append(message('a', id));
  const marks = [
    { kind: 'delivered', from: 2, to: 4, at: 5 },
    { kind: 'failed', sequence: 3, error: 'no', at: 6 },
    { kind: 'handled', upTo: 5, except: [4], reply: '"yes"', at: 7 },
  ] as const;
  assert.deepEqual(await store.mark({ transactionId: 'a', marks }), { lastSequence: 6, ackedSequence: 3 });
  const receipts = await Promise.all(['m1', 'm2', 'm3', 'm4', 'm5', 'm6'].map((id) => store.receipt('a', id)));
  assert.deepEqual(
    receipts.map((each) => [each?.attempts, each?.deliveredAt, each?.handledAt, each?.failedAt, each?.reply, each?.error]),
    [
      [1, 1, 7, undefined, undefined, undefined],
      [2, 1, 7, undefined, undefined, undefined],
      [1, 5, undefined, 6, undefined, 'no'],
      [1, 5, undefined, undefined, undefined, undefined],
      [0, undefined, 7, undefined, '"yes"', undefined],
      [0, undefined, undefined, undefined, undefined, undefined],
    ],
  );
  assert.deepEqual(
    await store.mark({ transactionId: 'a', marks: [{ kind: 'handled', upTo: 4, except: [], at: 8 }] }),
    { lastSequence: 6, ackedSequence: 5 },
    'what was handled before is passed over',
  );
  assert.equal(filedIn(folder.file()).rows, 5);
  assert.equal(await store.forget('a'), true);
  assert.ok(!bytesOf(folder.path).includes('"yes"'));
  assert.deepEqual([filedIn(folder.file()).rows, filedIn(folder.file()).messages], [0, 0]);
});

test('a key or an id that is written like a number is no sequence: nothing is lost at a restart', async () => {
  using folder = new Folder();
  const file = folder.file();
  const names = [{ key: 'x' }, { key: '3' }, { id: '2' }, { key: '3.0' }, { key: '1' }];
  const letters = names.map((name, index) => ({ transactionId: 'a', type: 'note', data: `${index + 1}`, ...name }));
  const model: Model = new Map([['a', { data: letters.map(({ data }) => data), acked: 0 }]]);
  {
    await using store = await openStore(file);
    await store.open(transaction('a'));
    for (const letter of letters) assert.equal((await store.append(letter)).outcome, 'stored');
  }
  {
    await using store = await openStore(file);
    await assertSame(store, model);
    for (const [index, letter] of letters.entries()) {
      const again = await store.append(letter);
      assert.ok(again.outcome === 'duplicate' && again.message.sequence === index + 1);
    }
    assert.equal(await store.forget('a'), true);
  }
});

test('a mailbox of tens of thousands of messages does not hold up a start', async () => {
  using folder = new Folder();
  const file = folder.file();
  const count = 40_000;
  {
    await using store = await openStore(file);
    await store.open(transaction('a'));
    const appends = Array.from({ length: count }, () => store.append({ transactionId: 'a', type: 'note', data: '1' }));
    await Promise.all(appends);
  }
  // Quadratic work, which this once was, would take longer than any test may.
  await using store = await openStore(file);
  assert.equal((await store.transaction('a'))?.lastSequence, count);
});

test('marks of one turn that cannot be written fail alone', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  for (const id of ['txn_a', 'txn_b', 'txn_c']) {
    await store.open(transaction(id));
    await store.append(message(id, 'm'));
  }
  const good: readonly Mark[] = [{ kind: 'handled', upTo: 1, except: [], at: 1 }];
  // No caller can make these: whatever may be wrong with them.
  const bad: readonly Mark[] = JSON.parse('[{"kind":"failed","sequence":{},"error":"x","at":1}]');
  const all = [good, bad, good].map((marks, at) => store.mark({ transactionId: `txn_${'abc'.charAt(at)}`, marks }));
  const outcomes = await Promise.allSettled(all);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  for (const id of ['txn_a', 'txn_c']) assert.equal((await store.read(id, { after: 0, limit: 1 }))?.ackedSequence, 1);
});
