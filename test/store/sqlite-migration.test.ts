/** Files of older versions become current ones, with all that is in them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Folder, message, openStore, transaction } from './sqlite-fixture.ts';

function makeVersion(version: 1 | 2, file: string): void {
  const dump = readFileSync(new URL(`version-${version}.sql`, import.meta.url), 'utf8');
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = WAL; ${dump}`);
  database.close();
}

function schemaOf(file: string): readonly unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();
  const version = database.prepare('PRAGMA user_version').get();
  database.close();
  return [version, ...rows];
}

test('a file of version 1 becomes current, loses nothing, and takes webhooks', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  makeVersion(1, folder.file());
  {
    await using store = await openStore(folder.file(), { clock });
    const page = await store.read('a', { after: 0, limit: 10 });
    assert.deepEqual(
      page?.messages.map(({ id, sequence, type, data, storedAt }) => [id, sequence, type, data, storedAt]),
      [
        ['m1', 1, 'paid', '{"text":"é"}', clock.now()],
        ['m2', 2, 'note', '2', clock.now()],
      ],
    );
    assert.deepEqual([page.state, page.ackedSequence], ['open', 1]);
    assert.equal((await store.receipt('a', 'm1'))?.reply, '"ok"');
    const again = await store.append({ transactionId: 'a', id: 'm3', key: 'key', type: 'paid', data: '{"text":"é"}' });
    assert.equal(again.outcome, 'duplicate');
    assert.deepEqual(await store.findToken('hash-a'), { transactionId: 'a', tokenId: 'token' });
    assert.equal(await store.findCallback('callback-a'), 'a');
    assert.equal((await store.findTicket('ticket'))?.transactionId, 'a');
    assert.equal((await store.transaction('a'))?.metadata, '{"n":1}');
    assert.equal((await store.transaction('b'))?.state, 'settled');

    const event = { source: 'acme', type: 'paid', data: '1' };
    const outcomes = ['r', 's', 't'].map(async (reference) => {
      const result = await store.receive({ ...event, eventHash: `e${reference}`, id: `m${reference}`, recipient: { reference } });
      return result.outcome;
    });
    assert.deepEqual(await Promise.all(outcomes), ['stored', 'settled', 'parked']);
    await store.open(transaction('d', { reference: 't' }));
    assert.equal((await store.read('d', { after: 0, limit: 10 }))?.messages[0]?.id, 'mt');
    assert.equal((await store.append(message('d', 'n'))).outcome, 'stored');
  }
  await (await openStore(folder.file('new.db')))[Symbol.asyncDispose]();
  const schema = schemaOf(folder.file());
  assert.ok(schema.length > 10);
  assert.deepEqual(schema, schemaOf(folder.file('new.db')), 'as one that is made new');
});

test('a file of version 2 becomes current: its messages are followed by new ones, marked, known again and removed', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  const named = 'msg_Zm9vYmFyYmF6cXV4MTIzNDU2';
  makeVersion(2, folder.file());
  for (const round of [1, 2]) {
    await using store = await openStore(folder.file(), { clock });
    const page = await store.read('a', { after: 0, limit: 10 });
    assert.deepEqual(
      page?.messages.slice(0, 3).map(({ id, sequence, data }) => [id, sequence, data]),
      [
        ['m1', 1, '{"text":"é"}'],
        [named, 2, '2'],
        ['p2', 3, '3'],
      ],
    );
    assert.deepEqual([page.lastSequence, page.ackedSequence], round === 1 ? [3, 1] : [4, 4]);
    for (const name of [{ id: named }, { key: 'key' }])
      assert.equal((await store.append({ transactionId: 'a', type: 'note', data: '2', ...name })).outcome, 'duplicate');
    assert.equal((await store.receipt('a', named))?.attempts, 1);
    if (round === 2) continue;
    const added = await store.append({ transactionId: 'a', type: 'note', data: '4' });
    assert.equal('message' in added && added.message.sequence, 4);
    await store.mark({ transactionId: 'a', marks: [{ kind: 'handled', upTo: 4, except: [], at: 9 }] });
    await store.open(transaction('late', { reference: 'later' }));
    await store.append({ transactionId: 'late', type: 'note', data: '5' });
    assert.deepEqual(
      (await store.read('late', { after: 0, limit: 10 }))?.messages.map(({ sequence, data }) => [sequence, data]),
      [
        [1, '3'],
        [2, '5'],
      ],
    );
  }
  await using store = await openStore(folder.file(), { clock });
  for (const id of ['a', 'late']) assert.equal(await store.forget(id), true);
  const database = new DatabaseSync(folder.file(), { readOnly: true });
  const rows = database.prepare('SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM mailboxes) AS rows').get();
  database.close();
  assert.equal(rows?.['rows'], 0);
});
