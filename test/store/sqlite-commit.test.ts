/** Batches: what shares a commit, what shares a fate, and what becomes of a commit at which the process dies. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import { DatabaseSync } from 'node:sqlite';
import { bytesOf, event, Folder, message, openStore, StoreProcess, transaction } from './sqlite-fixture.ts';

test('callers that wait at once share commits', async () => {
  using folder = new Folder();
  await using running = new StoreProcess(folder.file(), { script: 'group' });
  await running.ended();
  assert.deepEqual(await running.line('last'), { last: 64 * 13 }, 'the others are parked');
  const sizes = running.trace.filter(({ point }) => point === 'after-commit').map(({ message: progress }) => writesOf(progress));
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    64 * 20 + 1,
    'the points saw every write',
  );
  assert.ok(sizes.length <= 1 + 20 * 4, `1,280 appends and events took ${sizes.length} commits`);
});

test('one who waits alone is not held up for others', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a'));
  for (let index = 1; index <= 20; index += 1) {
    const result = await store.append(message('a', `m${index}`));
    assert.equal('message' in result && result.message.sequence, index);
  }
});

test('a row that cannot be written fails alone in its batch', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a'));
  // A type that the types forbid, as a bug in a caller would bring it.
  const broken: unknown = { ...message('a', 'broken'), data: 7 };
  const unsendable: unknown = { ...message('a', 'unsendable'), data: () => undefined };
  const brokenMark: unknown = { kind: 'handled', upTo: 1, except: [], reply: { not: 'text' }, at: 1 };
  const results = await Promise.allSettled([
    store.append(message('a', 'before')),
    Reflect.apply(store.append, store, [broken]),
    Reflect.apply(store.append, store, [unsendable]),
    Reflect.apply(store.mark, store, [
      [{ transactionId: 'a', marks: [{ kind: 'delivered', from: 1, to: 1, at: 1 }, brokenMark] }],
    ]),
    store.open(transaction('b', { token: { id: 'x', hash: 'hash-a' } })),
    store.append(message('a', 'after')),
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? 'fulfilled' : codeOf(result.reason))),
    ['fulfilled', ...Array.from({ length: 4 }, () => 'internal_error'), 'fulfilled'],
  );
  const page = await store.read('a', { after: 0, limit: 10 });
  assert.deepEqual(
    page?.messages.map(({ id, sequence }) => [id, sequence]),
    [
      ['before', 1],
      ['after', 2],
    ],
  );
  assert.equal((await store.receipt('a', 'before'))?.attempts, 0, 'no half of a call was kept');
  assert.equal(await store.transaction('b'), undefined);
});

test('an event that cannot be written fails alone in its batch, and leaves nothing', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a', { reference: 'r' }));
  // Types that the types forbid, as a bug in a caller would bring them: met late, with half of the event written.
  const brokenSource: unknown = { ...event('2', 's'), source: { not: 'text' } };
  const brokenData: unknown = { ...event('3', 'r'), data: 7 };
  const results = await Promise.allSettled([
    store.receive(event('1', 's')),
    Reflect.apply(store.receive, store, [brokenSource]),
    Reflect.apply(store.receive, store, [brokenData]),
    store.append(message('a', 'm')),
    store.receive(event('4', 's')),
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? 'fulfilled' : codeOf(result.reason))),
    ['fulfilled', 'internal_error', 'internal_error', 'fulfilled', 'fulfilled'],
  );
  assert.deepEqual(rowsOf(folder.file()), { messages: 3, parked: 2, events: 2 });
  assert.equal((await store.receive(event('2', 's'))).outcome, 'parked', 'the event is new');
  await store.open(transaction('b', { reference: 's' }));
  assert.deepEqual(
    (await store.read('b', { after: 0, limit: 10 }))?.messages.map(({ id, sequence }) => [id, sequence]),
    [
      ['message-1', 1],
      ['message-4', 2],
      ['message-2', 3],
    ],
  );
  assert.deepEqual(rowsOf(folder.file()), { messages: 4, parked: 0, events: 3 });
});

for (const point of ['inside-batch', 'before-commit', 'after-commit'] as const) {
  const survives = point === 'after-commit';

  test(`events and an open in a batch killed ${point} are all ${survives ? 'there' : 'not there'}, and safe to repeat`, async () => {
    using folder = new Folder();
    await using running = new StoreProcess(folder.file(), { script: 'receive', probe: { at: point, action: 'kill' } });
    await running.ended();
    assert.deepEqual(running.trace.at(-1), { point, message: { writes: 3 }, isHit: true });
    assert.deepEqual(
      running.lines.map(({ outcome }) => outcome),
      [undefined, 'stored', 'parked'],
    );

    await using store = await openStore(folder.file());
    const outcomes: string[] = [];
    for (const [name, reference] of [
      ['1', 'r'],
      ['2', 's'],
      ['3', 'r'],
      ['4', 's'],
    ] as const)
      outcomes.push((await store.receive(event(name, reference, { id: `again-${name}` }))).outcome);
    assert.deepEqual(outcomes, ['duplicate', 'duplicate', ...(survives ? ['duplicate', 'duplicate'] : ['stored', 'parked'])]);
    assert.equal((await store.open(transaction('c', { reference: 's' }))).outcome, 'opened');
    const made = survives ? 'message' : 'again';
    for (const [id, expected] of [
      ['b', ['message-1', `${made}-3`]],
      ['c', ['message-2', `${made}-4`]],
    ] as const) {
      const page = await store.read(id, { after: 0, limit: 10 });
      assert.deepEqual(
        page?.messages.map((each) => each.id),
        expected,
      );
    }
  });
}

for (const point of ['inside-batch', 'before-commit', 'after-commit'] as const) {
  const survives = point === 'after-commit';

  test(`a process killed ${point} leaves ${survives ? 'all' : 'nothing'} of that batch, and all that was answered`, async () => {
    using folder = new Folder();
    await using running = new StoreProcess(folder.file(), { script: 'batch', probe: { at: point, action: 'kill' } });
    await running.ended();
    assert.equal(running.signal, 'SIGKILL');
    assert.deepEqual(running.trace.at(-1), { point, message: { writes: 3 }, isHit: true });
    const answered = running.lines.filter(({ id }) => id !== undefined);
    assert.deepEqual(
      answered.map(({ id, sequence }) => [id, sequence]),
      [
        ['m1', 1],
        ['m2', 2],
        ['m3', 3],
      ],
    );

    await using store = await openStore(folder.file());
    const page = await store.read('a', { after: 0, limit: 10 });
    const kept = ['m1', 'm2', 'm3', ...(survives ? ['n1', 'n2', 'n3'] : [])];
    assert.deepEqual(
      page?.messages.map(({ id, sequence }) => [id, sequence]),
      kept.map((id, index) => [id, index + 1]),
    );
    assert.deepEqual((await store.transaction('a'))?.connections, [], 'a dead process has no connections');
    assert.equal(await store.findTicket('bound'), undefined);
    assert.notEqual(await store.findTicket('free'), undefined);
    const repeated = await store.append(message('a', 'n1'));
    assert.deepEqual(
      [repeated.outcome, 'message' in repeated && repeated.message.sequence],
      [survives ? 'duplicate' : 'stored', 4],
    );
  });

  test(`a worker that dies ${point} fails what waits for it, and another takes over`, async () => {
    using folder = new Folder();
    await using running = new StoreProcess(folder.file(), { script: 'batch', probe: { at: point, action: 'exit' } });
    await running.ended();
    assert.equal(running.trace.filter(({ isHit }) => isHit).length, 1);
    for (const id of ['n1', 'n2', 'n3']) {
      assert.deepEqual(
        running.lines.find((line) => line['id'] === id),
        { id, error: 'store_unavailable' },
      );
    }
    const next = { id: 'o1', outcome: 'stored', sequence: survives ? 7 : 4 };
    assert.deepEqual(
      running.lines.find(({ id }) => id === 'o1'),
      next,
    );
    assert.deepEqual(await running.line('connections'), { connections: 1 }, 'the process lives, and so do its connections');
    assert.deepEqual(running.lines.at(-1), { event: 'closed' });
  });
}

test('a worker that cannot start again is tried again after longer and longer pauses, and nobody waits meanwhile', async () => {
  using folder = new Folder();
  await using running = new StoreProcess(folder.file(), { script: 'restart', probe: { at: 'before-commit', action: 'exit' } });
  await running.ended();
  assert.deepEqual(
    running.lines.slice(1).map(({ id, error, sequence }) => [id, error ?? sequence]),
    [
      ['m1', 1],
      ['n1', 'store_unavailable'],
      ['n2', 'store_unavailable'],
      ['n3', 'store_unavailable'],
      ['n4', 'store_unavailable'],
      ['n5', 'store_unavailable'],
      ['o1', 2],
      [undefined, undefined],
    ],
  );
});

test('the log is copied into the file before it grows long, and what is forgotten later is gone from both', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a'));
  await store.open(transaction('b'));
  const data = JSON.stringify('canary '.repeat(9_000));
  let longest = 0;
  for (let index = 1; index <= 900; index += 1) {
    await store.append(message('a', `m${index}`, data));
    longest = Math.max(longest, statSync(`${folder.file()}-wal`).size);
  }
  assert.ok(longest > 8e6 && longest < 12e6, `the log had ${longest} bytes`);
  assert.ok(statSync(folder.file()).size > 30e6);
  assert.equal((await store.read('a', { after: 450, limit: 1 }))?.messages[0]?.data, data);
  assert.equal(await store.forget('a'), true);
  assert.ok(!bytesOf(folder.path).includes('canary'));
});

function rowsOf(file: string): object {
  // By SQLite itself, which shares its locks between the connections of a process.
  const database = new DatabaseSync(file, { readOnly: true });
  const count = (table: string): unknown => database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.['rows'];
  const rows = { messages: count('messages'), parked: count('parked'), events: count('events') };
  database.close();
  return rows;
}

function writesOf(progress: unknown): number {
  assert.ok(typeof progress === 'object' && progress !== null && 'writes' in progress && typeof progress.writes === 'number');
  return progress.writes;
}

function codeOf(error: unknown): string {
  return error instanceof RingbackError ? error.code : String(error);
}
