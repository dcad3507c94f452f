/** Files of older versions become current ones, with all that is in them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Folder, message, openStore, transaction } from './sqlite-fixture.ts';

const VERSION_1 = readFileSync(new URL('version-1.sql', import.meta.url), 'utf8');

function makeVersion1(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = WAL; ${VERSION_1}`);
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
  makeVersion1(folder.file());
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
