/** What is forgotten is in no file any more, byte for byte. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { seeded } from '../fixtures/seeded.ts';
import { bytesOf, event, Folder, openStore } from './sqlite-fixture.ts';

/** Everything that a transaction can hold, each with the canary in it. */
const PLACES = [
  'id',
  'reference',
  'metadata',
  'origin',
  'message',
  'key',
  'type',
  'data',
  'reply',
  'error',
  'connection',
  'hash',
];

function canary(id: string, place: string): string {
  return `canary-${id}-${place}-`;
}

interface Shape {
  /** How much data each message has. */
  readonly bytes: (index: number) => number;
  readonly messages: number;
}

async function fill(store: SqliteStore, id: string, { bytes, messages }: Shape): Promise<void> {
  const mark = (place: string): string => canary(id, place);
  await store.open({
    id: mark('id'),
    ttlMs: 1_000,
    token: { id: mark('hash'), hash: mark('hash') },
    callback: { id: mark('hash'), hash: mark('hash') },
    reference: mark('reference'),
    metadata: JSON.stringify({ note: mark('metadata').repeat(60) }),
    anonymousOrigin: mark('origin'),
  });
  const transactionId = mark('id');
  for (let index = 1; index <= messages; index += 1) {
    const data = JSON.stringify(mark('data').repeat(Math.ceil(bytes(index) / 20)));
    await store.append({ transactionId, id: mark('message') + index, key: mark('key') + index, type: mark('type'), data });
  }
  await store.mark({
    transactionId,
    marks: [
      { kind: 'failed', sequence: 1, error: mark('error'), at: 1 },
      { kind: 'handled', upTo: 2, except: [], reply: JSON.stringify(mark('reply').repeat(100)), at: 1 },
    ],
  });
  await store.addTicket({ hash: mark('hash'), transactionId, tokenId: mark('hash'), ttlMs: 1_000 });
  const connection = { id: mark('connection'), transactionId, node: mark('connection'), transport: mark('connection'), since: 1 };
  await store.saveConnections({ added: [connection], removed: [] });
}

function assertPresent(bytes: string, id: string): void {
  for (const place of PLACES) assert.ok(bytes.includes(canary(id, place)), `${place} of ${id} was there before`);
}

function assertGone(bytes: string, id: string): void {
  assert.equal(bytes.split(`canary-${id}-`).length - 1, 0, `nothing of ${id} is left`);
}

test('forget leaves no byte of a transaction in any file, and its neighbours whole', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  const shapes: Record<string, Shape> = {
    small: { bytes: () => 40, messages: 20 },
    large: { bytes: (index) => 200_000 / index, messages: 4 },
    after: { bytes: () => 40, messages: 20 },
  };
  for (const [id, shape] of Object.entries(shapes)) await fill(store, id, shape);
  const before = bytesOf(folder.path);
  for (const id of Object.keys(shapes)) assertPresent(before, id);
  for (const id of ['large', 'small']) {
    assert.equal(await store.forget(canary(id, 'id')), true);
    assertGone(bytesOf(folder.path), id);
  }
  assertPresent(bytesOf(folder.path), 'after');
  assert.equal((await store.read(canary('after', 'id'), { after: 0, limit: 100 }))?.messages.length, 20);
});

test('forget leaves no byte where pages were split and merged by hundreds of neighbours', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  const count = 240;
  const shape: Shape = { bytes: (index) => (index * 97) % 700, messages: 6 };
  // In an order of its own, so that rows land between others and pages split.
  const ids = Array.from({ length: count }, (_, index) => `${(index * 89) % count}n`);
  for (let start = 0; start < count; start += 24)
    await Promise.all(ids.slice(start, start + 24).map((id) => fill(store, id, shape)));
  const before = bytesOf(folder.path);
  for (const id of ids) assertPresent(before, id);
  const order = ids.toSorted((a, b) => ((Number.parseInt(a, 10) * 31) % 97) - ((Number.parseInt(b, 10) * 31) % 97));
  const gone: string[] = [];
  for (let start = 0; start < count - 12; start += 12) {
    const some = order.slice(start, start + 12);
    await Promise.all(some.map((id) => store.forget(canary(id, 'id'))));
    gone.push(...some);
    const bytes = bytesOf(folder.path);
    for (const id of gone) assertGone(bytes, id);
  }
  // The pages that had their rows are written again; nothing may come back from a cache.
  for (const id of order.slice(-12)) await store.append({ transactionId: canary(id, 'id'), id: 'more', type: 'x', data: '1' });
  await fill(store, 'late', shape);
  const bytes = bytesOf(folder.path);
  for (const id of gone) assertGone(bytes, id);
  for (const id of order.slice(-12)) assertPresent(bytes, id);
});

test('overwriting behind SQLite leaves a sound file, through checkpoints, forgets and a restart', async () => {
  using folder = new Folder();
  const random = seeded(20261123);
  const kept = new Map<string, string[]>();
  for (let round = 0; round < 4; round += 1) {
    await using store = await openStore(folder.file());
    for (let step = 0; step < 60; step += 1) {
      const id = `r${round}s${step}`;
      const texts = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
        JSON.stringify('d'.repeat(Math.floor(random() ** 3 * 40_000))),
      );
      await store.open({
        id,
        ttlMs: 1e9,
        token: { id: 'token', hash: id },
        metadata: `{"n":"${'m'.repeat(Math.floor(random() * 3_000))}"}`,
      });
      await Promise.all(texts.map((data, index) => store.append({ transactionId: id, id: `m${index}`, type: 'x', data })));
      kept.set(id, texts);
      const [oldest] = kept.keys();
      if (random() < 0.45 && oldest !== undefined) {
        const victim = [...kept.keys()][Math.floor(random() * kept.size)] ?? oldest;
        assert.equal(await store.forget(victim), true);
        kept.delete(victim);
      }
    }
    assert.deepEqual(faultsOf(folder.file()), ['ok']);
    for (const [transactionId, texts] of kept) {
      const page = await store.read(transactionId, { after: 0, limit: 100 });
      assert.deepEqual(
        page?.messages.map(({ data }) => data),
        texts,
      );
    }
  }
  assert.deepEqual(faultsOf(folder.file()), ['ok']);
  assert.ok(kept.size > 60);
});

/** What SQLite itself finds wrong with a file. */
function faultsOf(file: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare('PRAGMA integrity_check').all();
  database.close();
  return rows.map(({ integrity_check: fault }) => fault);
}

test('sweep leaves no byte of what it forgot', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock, limits: { retentionMs: 1_000 } });
  for (const id of ['a', 'b']) await fill(store, id, { bytes: () => 3_000, messages: 5 });
  await store.settle(canary('b', 'id'));
  clock.advance(1_000);
  assertPresent(bytesOf(folder.path), 'b');
  assert.deepEqual((await store.sweep(10)).forgotten, [canary('b', 'id')]);
  const bytes = bytesOf(folder.path);
  assertGone(bytes, 'b');
  assertPresent(bytes, 'a');
});

/** What a webhook can hold, each with the canary in it. */
const PARKED_PLACES = ['reference', 'message', 'type', 'data'];

async function park(store: SqliteStore, id: string, { bytes, messages }: Shape): Promise<void> {
  const mark = (place: string): string => canary(id, place);
  for (let index = 1; index <= messages; index += 1) {
    const data = JSON.stringify(mark('data').repeat(Math.ceil(bytes(index) / 20)));
    const names = { id: mark('message') + index, type: mark('type'), data, eventHash: `event-${id}-${index}.` };
    assert.equal((await store.receive(event('', mark('reference'), names))).outcome, 'parked');
  }
}

function assertParkedPresent(bytes: string, id: string): void {
  for (const place of PARKED_PLACES) assert.ok(bytes.includes(canary(id, place)), `${place} of ${id} was there before`);
}

test('what was parked, claimed and forgotten leaves no byte but the hash of its event', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  const count = 120;
  const shape: Shape = { bytes: (index) => (index * 97) % 700, messages: 3 };
  // In an order of its own, so that rows land between others and pages split.
  const ids = Array.from({ length: count }, (_, index) => `${(index * 89) % count}n`).concat('large', 'unclaimed');
  for (const id of ids) await park(store, id, id === 'large' ? { bytes: (index) => 200_000 / index, messages: 4 } : shape);
  const before = bytesOf(folder.path);
  for (const id of ids) assertParkedPresent(before, id);
  const claimed = ids.filter((id) => id !== 'unclaimed');
  for (const id of claimed) {
    await store.open({
      id: canary(id, 'id'),
      ttlMs: 1_000,
      token: { id: 'token', hash: `hash ${id}` },
      reference: canary(id, 'reference'),
    });
    assert.equal((await store.read(canary(id, 'id'), { after: 0, limit: 9 }))?.messages.length, id === 'large' ? 4 : 3);
  }
  for (let start = 0; start < claimed.length; start += 40) {
    const some = claimed.slice(start, start + 40);
    await Promise.all(some.map((id) => store.forget(canary(id, 'id'))));
    const bytes = bytesOf(folder.path);
    for (const id of claimed.slice(0, start + 40)) {
      assertGone(bytes, id);
      assert.ok(bytes.includes(`event-${id}-1.`), 'only the hash has stayed');
    }
  }
  assertParkedPresent(bytesOf(folder.path), 'unclaimed');
});

test('what was parked and never claimed leaves no byte but the hash of its event', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock, limits: { parkMs: 1_000 } });
  const shape: Shape = { bytes: (index) => 4_000 / index, messages: 3 };
  const ids = Array.from({ length: 60 }, (_, index) => `${(index * 37) % 60}n`).concat('large');
  for (const id of ids) await park(store, id, id === 'large' ? { bytes: () => 300_000, messages: 2 } : shape);
  clock.advance(999);
  await park(store, 'later', shape);
  await store.open({ id: 'claims', ttlMs: 1e9, token: { id: 'token', hash: 'h' }, reference: canary('7n', 'reference') });
  clock.advance(1);
  const before = bytesOf(folder.path);
  for (const id of ids) assertParkedPresent(before, id);
  for (let more = true; more;) {
    const swept = await store.sweep(50);
    assert.ok(swept.unclaimed.length > 0);
    ({ more } = swept);
  }
  const bytes = bytesOf(folder.path);
  for (const id of ids) {
    if (id === '7n') continue;
    assertGone(bytes, id);
    assert.ok(bytes.includes(`event-${id}-1.`), 'only the hash has stayed');
  }
  assertParkedPresent(bytes, 'later');
  assert.equal((await store.read('claims', { after: 0, limit: 9 }))?.messages.length, 3);
  assert.equal(await store.forget('claims'), true);
  assertGone(bytesOf(folder.path), '7n');
});

test('a ticket that waited too long is swept from its table, and its bytes go with its transaction', async () => {
  using folder = new Folder();
  const clock = new ManualClock();
  await using store = await openStore(folder.file(), { clock });
  await store.open({ id: 'a', ttlMs: 1e9, token: { id: 't', hash: 'h' } });
  for (const hash of ['canary-late', 'canary-bound']) await store.addTicket({ hash, transactionId: 'a', ttlMs: 60_000 });
  await store.bindTicket('canary-bound', 'connection');
  clock.advance(60_000);
  await store.sweep(1);
  // By SQLite itself, which shares its locks between the connections of a process.
  const database = new DatabaseSync(folder.file(), { readOnly: true });
  const rows = database.prepare('SELECT hash FROM tickets').all();
  assert.deepEqual(
    rows.map(({ hash }) => hash),
    ['canary-bound'],
  );
  database.close();
  assert.equal(await store.forget('a'), true);
  assert.ok(!bytesOf(folder.path).includes('canary-'));
});
