import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorKinds } from '../../src/errors.ts';

const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md has every error code, with its status and whether it can be tried again, in the order of the registry', () => {
  const rows = text.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    const code = /^`(\w+)`$/.exec(cells[1] ?? '')?.[1];
    return code === undefined
      ? []
      : [{ code, status: Number(cells[2]), again: cells[3], when: cells[4] ?? '', advice: cells[5] ?? '', cells: cells.length }];
  });
  const documented = rows.map(({ code, status, again }) => ({ code, status, again }));
  const registered = Object.entries(errorKinds).map(([code, kind]) => ({
    code,
    status: kind.status,
    again: 'retryable' in kind ? 'yes' : 'no',
  }));
  assert.ok(registered.length > 20);
  assert.deepEqual(documented, registered);
  for (const { code, when, advice, cells } of rows) assert.ok(cells === 7 && when.length > 10 && advice.length > 5, code);
});

test('the limits that docs/errors.md names exist', async () => {
  const { defaultLimits } = await import('../../src/server/configuration.ts');
  const named = [...text.matchAll(/`([a-z]+[A-Z]\w+)`/g)].map(([, name = '']) => name).filter((name) => name !== 'ttlSeconds');
  assert.ok(named.length >= 5);
  assert.deepEqual(
    named.filter((name) => !Object.hasOwn(defaultLimits, name)),
    [],
  );
});
