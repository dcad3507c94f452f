/** The disk fails, really: full, limited or read-only. Nothing is lost, nothing acknowledged, and it recovers by itself. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import type { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import { bytesOf, Folder, message, openStore, StoreProcess, transaction } from './sqlite-fixture.ts';

/** Where it cannot be tried it is skipped, but never in CI. */
function unless(isPossible: boolean, reason: string): { readonly skip?: string } {
  return isPossible || process.env['CI'] === 'true' ? {} : { skip: reason };
}

const isRoot = process.getuid?.() === 0;
const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
const hasChattr = isRoot && canMakeImmutable();

test(
  'a full disk fails what would be written, reads go on, and it recovers when there is space',
  unless(isRoot, 'mounts need root'),
  async () => {
    using folder = new Folder();
    using disk = new SmallDisk(folder.file('disk'), '4m');
    const ballast = `${disk.path}/ballast`;
    writeFileSync(ballast, Buffer.alloc(1_500_000));
    const events: object[] = [];
    const note = (fields: object): void => void events.push(fields);
    await using store = await openStore(`${disk.path}/store.db`, {
      logger: { debug: note, info: note, warn: note, error: note },
    });
    await store.open(transaction('a'));
    const data = JSON.stringify('x'.repeat(20_000));
    const kept = await fillUp(store, data);
    assert.ok(kept > 20);

    const together = await Promise.allSettled(['b', 'c', 'd'].map((id) => store.append(message('a', id, data))));
    for (const each of together) assert.equal(each.status === 'rejected' && codeOf(each.reason), 'store_unavailable');
    assert.equal(events.filter((fields) => 'event' in fields && fields.event === 'store.commit_failed').length, 1, 'said once');
    await assert.rejects(async () => {
      // A small write may still fit into the last page.
      for (let count = 0; count < 1_000; count += 1) await store.check();
    }, isUnavailable);
    assert.equal((await store.read('a', { after: 0, limit: 1_000 }))?.messages.length, kept);

    rmSync(ballast);
    await store.check();
    const results = await Promise.all(['b', 'c', 'd'].map((id) => store.append(message('a', id, data))));
    assert.deepEqual(
      results.map((result) => 'message' in result && result.message.sequence),
      [kept + 1, kept + 2, kept + 3],
      'no sequence was burnt',
    );
  },
);

test(
  'a forget for which the disk is too full is not acknowledged, and is complete when it is repeated',
  unless(isRoot, 'mounts need root'),
  async () => {
    using folder = new Folder();
    using disk = new SmallDisk(folder.file('disk'), '4m');
    const ballast = `${disk.path}/ballast`;
    writeFileSync(ballast, Buffer.alloc(2_800_000));
    await using store = await openStore(`${disk.path}/store.db`);
    await store.open(transaction('a'));
    await store.open(transaction('canary'));
    await store.append(message('canary', 'm', JSON.stringify('canary '.repeat(10_000))));
    await fillUp(store, JSON.stringify('x'.repeat(20_000)));
    await assert.rejects(store.forget('canary'), isUnavailable);
    rmSync(ballast);
    await store.forget('canary');
    assert.equal(await store.transaction('canary'), undefined);
    assert.ok(!bytesOf(disk.path).includes('canary'));
  },
);

test('a limit on the size of files does the same as a full disk', unless(hasPrlimit, 'needs prlimit'), async () => {
  using folder = new Folder();
  await using running = new StoreProcess(folder.file(), { script: 'fill', under: ['prlimit', '--fsize=600000:unlimited', '--'] });
  const { readable } = await running.line('readable');
  const failed = running.lines.findIndex(({ error }) => error === 'store_unavailable');
  assert.ok(failed > 10);
  assert.equal(readable, failed - 1, 'what was answered is readable');
  execFileSync('prlimit', ['--pid', String(running.pid), '--fsize=unlimited:unlimited']);
  running.go();
  await running.ended();
  assert.deepEqual(running.lines.slice(-3), [
    { id: `m${failed}`, outcome: 'stored', sequence: failed },
    { readable: failed },
    { event: 'closed' },
  ]);
});

test(
  'files that become read-only fail what would be written until they are writable again',
  unless(hasChattr, 'needs chattr'),
  async () => {
    using folder = new Folder();
    await using store = await openStore(folder.file());
    await store.open(transaction('a'));
    await store.append(message('a', 'm'));
    execFileSync('chattr', ['+i', folder.file(), `${folder.file()}-wal`]);
    try {
      await assert.rejects(store.append(message('a', 'n')), isUnavailable);
      await assert.rejects(store.check(), isUnavailable);
      await assert.rejects(store.forget('a'), isUnavailable);
      assert.equal((await store.read('a', { after: 0, limit: 10 }))?.messages.length, 1);
    } finally {
      execFileSync('chattr', ['-i', folder.file(), `${folder.file()}-wal`]);
    }
    await store.check();
    const result = await store.append(message('a', 'n'));
    assert.equal('message' in result && result.message.sequence, 2);
  },
);

/** A file system of its own in memory. */
test('a name that is no Unicode fails alone, and leaves nothing', async () => {
  using folder = new Folder();
  await using store = await openStore(folder.file());
  await store.open(transaction('a'));
  const [refused, stored] = await Promise.allSettled([
    store.append(message('a', 'm-\ud800')),
    store.append(message('a', 'n', '2')),
  ]);
  assert.equal(refused.status === 'rejected' && codeOf(refused.reason), 'internal_error');
  assert.equal(stored.status === 'fulfilled' && 'message' in stored.value && stored.value.message.sequence, 1);
  await assert.rejects(store.append({ ...message('a', 'k'), key: 'm-\udc00' }));
  assert.deepEqual(
    (await store.read('a', { after: 0, limit: 10 }))?.messages.map(({ id }) => id),
    ['n'],
  );
});

class SmallDisk implements Disposable {
  readonly path: string;

  constructor(path: string, size: string) {
    mkdirSync(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
    this.path = path;
  }

  [Symbol.dispose](): void {
    // The store is closed, or the mount goes when its last file is: lazily.
    execFileSync('umount', ['--lazy', this.path]);
  }
}

/** Returns how many messages were stored. */
async function fillUp(store: SqliteStore, data: string): Promise<number> {
  for (let index = 1; ; index += 1) {
    try {
      await store.append(message('a', `m${index}`, data));
    } catch (error) {
      assert.equal(codeOf(error), 'store_unavailable');
      return index - 1;
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return codeOf(error) === 'store_unavailable';
}

function codeOf(error: unknown): string {
  return error instanceof RingbackError ? error.code : String(error);
}

function canMakeImmutable(): boolean {
  using folder = new Folder();
  writeFileSync(folder.file(), '');
  if (spawnSync('chattr', ['+i', folder.file()]).status !== 0) return false;
  return spawnSync('chattr', ['-i', folder.file()]).status === 0;
}
