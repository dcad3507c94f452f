/** Which PostgreSQL the tests take: the one that is named, the newest that is whole, that of the cache, or none. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findPostgres, findPostgresPrograms, POSTGRES_CACHE, POSTGRES_PACKAGE } from '../../scripts/postgres.mjs';

test('the server that is named, else the newest one installed, else that of the cache, is taken', () => {
  const root = mkdtempSync(join(tmpdir(), 'ringback postgres '));
  const debian = join(root, 'debian');
  const put = (folder: string): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'initdb'), '');
  };
  try {
    assert.equal(findPostgresPrograms(root, debian), undefined);
    const native = join(root, POSTGRES_CACHE, 'node_modules', POSTGRES_PACKAGE, 'native');
    put(join(native, 'bin'));
    assert.deepEqual(findPostgresPrograms(root, debian), { programs: join(native, 'bin'), package: native });
    // Of the newest there is the client only.
    mkdirSync(join(debian, '17', 'bin'), { recursive: true });
    for (const version of ['9', '15']) put(join(debian, version, 'bin'));
    assert.deepEqual(findPostgresPrograms(root, debian), { programs: join(debian, '15', 'bin') });
    assert.deepEqual(findPostgres(root, { TEST_POSTGRES_URL: 'postgres://there/db' }), { url: 'postgres://there/db' });
    assert.ok(!('url' in (findPostgres(root, { TEST_POSTGRES_URL: '' }) ?? {})));
  } finally {
    rmSync(root, { recursive: true });
  }
});
