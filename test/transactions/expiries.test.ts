import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Expiries, type Expiring } from '../../src/transactions/expiries.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

const MINUTE_MS = 60_000;

function world() {
  const clock = new ManualClock();
  const told: [name: string, afterMs: number][] = [];
  const start = clock.now();
  const entry = (name: string, afterMs: number): Expiring => ({
    expiresAt: start + afterMs,
    expire: () => told.push([name, clock.now() - start]),
  });
  return { clock, expiries: new Expiries(clock), told, entry };
}

test('tells each at its instant, near or far', () => {
  const { clock, expiries, told, entry } = world();
  const times = [0, 1, 59_999, MINUTE_MS, MINUTE_MS + 1, 10 * MINUTE_MS - 1, 86_400_000];
  for (const afterMs of times.toReversed()) expiries.add(entry(String(afterMs), afterMs));
  assert.deepEqual(told, []);
  for (const [index, time] of times.entries()) clock.advance(time - (times[index - 1] ?? 0));
  assert.deepEqual(
    told,
    times.map((time) => [String(time), time]),
  );
  clock.advance(86_400_000);
  assert.equal(told.length, times.length);
});

test('what is no longer waited for is not told, and leaves no timer behind', () => {
  const { clock, expiries, told, entry } = world();
  const entries = [entry('near', 1_000), entry('far', 5 * MINUTE_MS), entry('further', 9 * MINUTE_MS)];
  for (const each of entries) expiries.add(each);
  assert.equal(clock.pendingCount, 2, 'one of its own, and one for all that are far');
  for (const each of entries) expiries.delete(each);
  assert.equal(clock.pendingCount, 0);
  clock.advance(86_400_000);
  assert.deepEqual(told, []);
});
