import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { lockfileFaults } from '../../scripts/check-lockfile.mjs';

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

test('our lockfile installs everywhere', () => {
  const lockfile = read('package-lock.json');
  assert.ok(Object.keys(lockfile.packages).length > 20);
  assert.deepEqual(lockfileFaults(lockfile, read('package.json')), []);
});

test('a download address, an absent optional dependency and a loose version are named', () => {
  const packages = {
    '': {},
    'node_modules/a': { resolved: 'https://registry.example/a.tgz' },
    'node_modules/b': { optionalDependencies: { 'b-there': '1.0.0', 'b-absent': '1.0.0' } },
    'node_modules/b/node_modules/b-there': {},
  };
  const faults = lockfileFaults(
    { packages },
    { dependencies: { a: '^1.0.0', b: '1.0.0', c: 'npm:@d/c@1.0.0-rc.1', e: 'latest' } },
  );
  assert.deepEqual(faults, [
    'node_modules/a names a download address; .npmrc has omit-lockfile-registry-resolved',
    'node_modules/b: b-absent is absent from the lockfile',
    'dependencies: a is not pinned exactly (^1.0.0)',
    'dependencies: e is not pinned exactly (latest)',
  ]);
});

test('an empty lockfile is a fault', () => {
  assert.deepEqual(lockfileFaults({ packages: {} }, {}), ['the lockfile holds no package']);
});
