/** Retention has much to remove at once: it goes in slices, and in the end no byte of it is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { bytesOf, Folder, openStore, transaction } from './sqlite-fixture.ts';

const LIMITS = { retentionMs: 1_000 };
const TTL_MS = 1_000;

test('a mailbox longer than a slice is removed in several, and nobody sees it meanwhile', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock, limits: LIMITS });
  await store.open(transaction('long', { ttlMs: TTL_MS }));
  const appended = Array.from({ length: 1_700 }, (_, index) => {
    const name = {
      ...(index % 3 === 0 ? { id: `canary ${index}` } : {}),
      ...(index % 3 === 1 ? { key: `canary ${index}` } : {}),
    };
    return store.append({ transactionId: 'long', type: 'note', data: `"canary ${index}"`, ...name });
  });
  assert.ok((await Promise.all(appended)).every(({ outcome }) => outcome === 'stored'));
  // Some have rows of their own by now, and others not yet.
  await store.mark({ transactionId: 'long', marks: [{ kind: 'handled', upTo: 900, except: [], at: 1 }] });
  await store.open(transaction('next', { ttlMs: TTL_MS }));
  await store.open(transaction('kept'));
  clock.advance(2_000);
  const slices: (readonly string[])[] = [];
  for (let more = true; more;) {
    const swept = await store.sweep(100);
    slices.push(swept.forgotten);
    ({ more } = swept);
    assert.equal(await store.read('long', { after: 0, limit: 1 }), undefined);
    assert.equal((await store.append({ transactionId: 'long', type: 'note', data: '1' })).outcome, 'unknown');
  }
  assert.ok(slices.length >= 4, `${slices.length} slices`);
  assert.deepEqual(slices.flat(), ['long', 'next']);
  assert.ok(!bytesOf(folder.path).includes('canary'));
  assert.equal((await store.transaction('kept'))?.state, 'open');
});

test('an id can be used again while its last transaction is half removed', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock, limits: LIMITS });
  await store.open(transaction('a', { ttlMs: TTL_MS }));
  await Promise.all(Array.from({ length: 1_200 }, () => store.append({ transactionId: 'a', type: 'note', data: '"canary"' })));
  clock.advance(2_000);
  assert.deepEqual(await store.sweep(1), { forgotten: [], unclaimed: [], more: true });
  assert.equal((await store.open(transaction('a'))).outcome, 'opened');
  const result = await store.append({ transactionId: 'a', type: 'note', data: '"new"' });
  assert.equal('message' in result && result.message.sequence, 1);
  assert.equal((await store.sweep(1)).more, false);
  assert.ok(!bytesOf(folder.path).includes('canary'));
  assert.deepEqual(
    (await store.read('a', { after: 0, limit: 9 }))?.messages.map(({ data }) => data),
    ['"new"'],
  );
});

test('the bytes of a backlog are gone with its last slice, and those of what is forgotten meanwhile at once', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock, limits: LIMITS });
  const ids = Array.from({ length: 30 }, (_, index) => `canary-${index}`);
  for (const id of ids) await store.open(transaction(id, { ttlMs: TTL_MS }));
  await store.open(transaction('pheasant', { metadata: '"pheasant"' }));
  clock.advance(2_000);
  for (let index = 0; index < 10; index += 1) assert.equal((await store.sweep(1)).more, true);
  assert.equal(await store.forget('pheasant'), true);
  assert.ok(!bytesOf(folder.path).includes('pheasant'));
  let last = await store.sweep(1);
  while (last.more) last = await store.sweep(1);
  assert.ok(!bytesOf(folder.path).includes('canary'));
});

test('a store that is closed in the middle of a backlog leaves no byte of what it has removed', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  {
    await using store = await openStore(folder.file(), { clock, limits: LIMITS });
    for (const id of ['canary', 'other']) await store.open(transaction(id, { ttlMs: TTL_MS }));
    clock.advance(2_000);
    assert.deepEqual(await store.sweep(1), { forgotten: ['canary'], unclaimed: [], more: true });
  }
  const bytes = bytesOf(folder.path);
  assert.ok(!bytes.includes('canary') && bytes.includes('other'));
});
