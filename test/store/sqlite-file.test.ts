/** The file: who may open it, what it may hold, and how an older one becomes current. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { StoreFileError, StoreInUseError } from '../../src/store/sqlite/sqlite.ts';
import { event, Folder, message, openStore, StoreProcess, transaction } from './sqlite-fixture.ts';

test('a new file is for its owner only, in a folder made for it, and closes into one file', async () => {
  using folder = new Folder();
  const file = folder.file('some/where/store.db');
  const store = await openStore(file);
  await store.open(transaction('a'));
  for (const suffix of ['', '-wal', '-shm', '.lock'])
    assert.equal(statSync(file + suffix).mode & 0o777, 0o600, `mode of ${suffix}`);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(folder.file('some/where')).toSorted(), ['store.db', 'store.db.lock']);
});

test('what was stored is there when the file is opened again', async () => {
  using folder = new Folder();
  {
    await using store = await openStore(folder.file());
    await store.open(transaction('a', { reference: 'r' }));
    await store.append({ ...message('a', 'm'), key: 'key' });
    await store.mark({ transactionId: 'a', marks: [{ kind: 'handled', upTo: 1, except: [], reply: '"ok"', at: 5 }] });
  }
  await using store = await openStore(folder.file());
  assert.equal((await store.transactionsByReference('r'))[0]?.ackedSequence, 1);
  assert.equal((await store.receipt('a', 'm'))?.reply, '"ok"');
  assert.equal((await store.append({ ...message('a', 'n'), key: 'key' })).outcome, 'duplicate');
  assert.deepEqual(await store.findToken('hash-a'), { transactionId: 'a', tokenId: 'token' });
});

test('counts the open transactions of a file that it opens', async () => {
  using folder = new Folder();
  {
    await using store = await openStore(folder.file());
    for (const id of ['a', 'b', 'c']) await store.open(transaction(id));
    await store.settle('c');
  }
  await using store = await openStore(folder.file(), { limits: { openTransactions: 3 } });
  assert.equal((await store.open(transaction('d'))).outcome, 'opened');
  assert.equal((await store.open(transaction('e'))).outcome, 'full');
});

test('counts the parked messages of a file that it opens, and gives them to their transaction', async () => {
  using folder = new Folder();
  {
    await using store = await openStore(folder.file());
    for (const name of ['1', '2', '3']) await store.receive(event(name, 'r'));
    await store.receive(event('4', 's'));
    await store.open(transaction('b', { reference: 's' }));
  }
  await using store = await openStore(folder.file(), { limits: { parkedMessages: 4 } });
  assert.equal((await store.receive(event('1', 'r'))).outcome, 'duplicate');
  assert.equal((await store.receive(event('5', 'r'))).outcome, 'parked');
  assert.deepEqual(await store.receive(event('6', 'r')), { outcome: 'full', limit: 'parkedMessages' });
  await store.open(transaction('a', { reference: 'r' }));
  const page = await store.read('a', { after: 0, limit: 10 });
  assert.deepEqual(
    page?.messages.map(({ id }) => id),
    ['1', '2', '3', '5'].map((name) => `message-${name}`),
  );
});

test('a second store on a file is refused at once, by its name, through a link as well', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  symlinkSync(folder.file(), folder.file('link.db'));
  mkdirSync(folder.file('deep'));
  symlinkSync(folder.path, folder.file('deep/folder'));
  for (const name of ['store.db', 'link.db', 'deep/folder/store.db']) {
    const file = folder.file(name);
    await assert.rejects(
      openStore(file),
      (error) => error instanceof StoreInUseError && error.file === file && error.message.includes(file),
    );
  }
  await store.open(transaction('a'));
});

test('a file that does not exist yet is the same one through a link', async () => {
  using folder = new Folder();
  symlinkSync('store.db', folder.file('link.db'));
  await using store = await openStore(folder.file('link.db'));
  await store.check();
  assert.ok(existsSync(folder.file()));
  await assert.rejects(openStore(folder.file()), StoreInUseError);
});

test('a second process on a file is refused, until the first is gone, even by kill -9', async () => {
  using folder = new Folder();
  await using first = new StoreProcess(folder.file(), { script: 'hold' });
  await first.line('event');
  await assert.rejects(openStore(folder.file()), StoreInUseError);
  await using second = new StoreProcess(folder.file(), { script: 'hold' });
  const { error } = await second.line('error');
  assert.ok(String(error).startsWith('StoreInUseError') && String(error).includes(folder.file()));
  await second.ended();
  assert.equal(first.signal, null, 'the first goes on');
  await first.kill();
  await using store = await openStore(folder.file());
  assert.equal((await store.transaction('a'))?.state, 'open');
});

test('a file that is not ours is refused by its name, and nothing is changed or left beside it', async () => {
  using folder = new Folder();
  const foreign: Record<string, (file: string) => void> = {
    text: (file) => writeFileSync(file, 'Dear diary, '.repeat(1_000)),
    short: (file) => writeFileSync(file, 'x'),
    other: (file) => withDatabase(file, 'CREATE TABLE notes (text); INSERT INTO notes VALUES (1)'),
    otherInLogMode: (file) => withDatabase(file, 'PRAGMA journal_mode = WAL; CREATE TABLE notes (text)'),
    otherApplication: (file) => withDatabase(file, 'PRAGMA application_id = 7; CREATE TABLE transactions (id)'),
  };
  for (const [name, make] of Object.entries(foreign)) {
    mkdirSync(folder.file(name));
    const file = folder.file(`${name}/store.db`);
    make(file);
    const before = readFileSync(file);
    await assert.rejects(
      openStore(file),
      (error) => error instanceof StoreFileError && error.file === file && error.message.includes(file),
    );
    assert.ok(readFileSync(file).equals(before), `${name} is unchanged`);
    assert.deepEqual(readdirSync(folder.file(name)), ['store.db'], `nothing beside ${name}`);
  }
});

test('a file of a newer version is refused, and is unchanged', async () => {
  using folder = new Folder();
  await (await openStore(folder.file()))[Symbol.asyncDispose]();
  withDatabase(folder.file(), 'PRAGMA user_version = 1000');
  const before = readFileSync(folder.file());
  await assert.rejects(openStore(folder.file()), /schema version is 1000/);
  assert.ok(readFileSync(folder.file()).equals(before));
});

test('an empty file becomes a store', async () => {
  using folder = new Folder();
  writeFileSync(folder.file('empty.db'), '');
  withDatabase(folder.file('bare.db'), 'PRAGMA journal_mode = WAL; VACUUM');
  for (const name of ['empty.db', 'bare.db']) {
    await using store = await openStore(folder.file(name));
    assert.equal((await store.open(transaction('a'))).outcome, 'opened');
  }
});

test('a path that cannot be opened is refused by its name', async () => {
  using folder = new Folder();
  mkdirSync(folder.file());
  await assert.rejects(
    openStore(folder.file()),
    (error) => error instanceof StoreFileError && error.message.includes(folder.file()),
  );
  writeFileSync(folder.file('plain'), '');
  chmodSync(folder.file('plain'), 0o600);
  await assert.rejects(openStore(folder.file('plain/store.db')), StoreFileError);
});

function withDatabase(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}
