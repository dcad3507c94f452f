/** Numbers by which a change is noticed, kept for the latest ones only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from '../../src/store/changes.ts';

test('what was changed has another number, and no number comes twice, however little is remembered', () => {
  for (const most of [1, 2, 3, 8]) {
    const changes = new Changes<number>(most);
    const said = new Map<number, Set<number>>();
    for (let step = 0; step < 400; step += 1) {
      const key = (step * 7) % 11;
      const before = said.get(key) ?? new Set();
      said.set(key, before.add(changes.of(key)));
      changes.note(key);
      assert.ok(!before.has(changes.of(key)), `of ${most}, at step ${step}`);
    }
  }
});

test('what comes in the place of what is gone has another number than that had', () => {
  const changes = new Changes<number>();
  const untouched = changes.of(1);
  changes.drop(1);
  assert.notEqual(changes.of(2), untouched);
  changes.note(3);
  const changed = changes.of(3);
  changes.drop(3);
  assert.notEqual(changes.of(3), changed);
  assert.notEqual(changes.of(4), changed);
});
