/**
 * Two instances on one PostgreSQL with clocks 30 s apart, and everything goes wrong: what was answered is at the handler of its
 * page once, in sequence, and nothing else is. `RINGBACK_SEED` repeats the plan; `npm run chaos` is the long form.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mock, test } from 'node:test';
import { noOwnPostgres } from '../fixtures/postgres.ts';
import { faultsIn } from './checker.ts';
import { Messages } from './database-proxy.ts';
import { commonFaults, databaseFaults, planOf, processFaults } from './plan.ts';
import { run, type Sums } from './run.ts';

const SEED = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
/** What is waited for, and what a machine that is at something else may do with. */
const MANY = { strays: 1, others: 20 };
const FEW = { strays: 1, others: 3 };
const SHORT = { instances: 2, ms: 7_200, everyMs: 450, haste: 8 } as const;

// The client tells developers what their pages go through.
mock.method(console, 'warn', () => undefined);

test('the same seed makes the same plan, and every kind of fault is in a short one', () => {
  const plan = planOf({ seed: SEED, ...SHORT });
  assert.deepEqual(plan, planOf({ seed: SEED, ...SHORT }));
  assert.notDeepEqual(plan, planOf({ seed: SEED + 1, ...SHORT }));
  const kinds = [...processFaults, ...databaseFaults, ...commonFaults];
  const long = planOf({ seed: SEED, ...SHORT, ms: 2 * SHORT.ms });
  assert.deepEqual(new Set(long.map(({ kind }) => kind)), new Set(kinds));
  assert.deepEqual(new Set(long.map(({ instance }) => instance)), new Set([0, 1]));
});

test('the proxy knows notifications, however what the database says is cut into pieces', () => {
  const message = (kind: string, text: string): Buffer => {
    const head = Buffer.alloc(5);
    head.write(kind);
    head.writeInt32BE(4 + text.length, 1);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const said = [message('Z', 'I'), message('A', 'ring'), message('D', 'A'.repeat(300)), message('A', ''), message('C', 'A')];
  const all = Buffer.concat(said);
  for (let size = 1; size <= all.length; size++) {
    const messages = new Messages();
    const seen = [];
    for (let at = 0; at < all.length; at += size) seen.push(...messages.take(all.subarray(at, at + size)));
    assert.deepEqual(
      seen,
      said.map((bytes, index) => ({ bytes, isNotification: index === 1 || index === 3 })),
    );
  }
});

test('nothing is lost, doubled or misplaced while everything goes wrong', { skip: noOwnPostgres }, async (t) => {
  t.diagnostic(`RINGBACK_SEED=${SEED}`);
  const { history, sums, befell } = await run({
    ...SHORT,
    mostMs: 5 * SHORT.ms,
    isEnough: (soFar) => missingFrom(soFar, MANY).length === 0,
    seed: SEED,
    visits: 6,
    mostSends: 10,
    longestPauseMs: 200,
    patienceMs: 30_000,
  });
  t.diagnostic(`befell: ${[...befell].map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
  t.diagnostic(
    Object.entries(sums)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', '),
  );
  assert.deepEqual(faultsIn(history), [], `RINGBACK_SEED=${SEED}`);
  assert.deepEqual(missingFrom(sums, FEW), [], 'it has not happened');
});

/** What is still to happen for the test to have looked at something. */
function missingFrom(sums: Sums, { strays, others }: typeof MANY): readonly string[] {
  const count = (...names: readonly string[]): number => names.reduce((sum, name) => sum + (sums[name] ?? 0), 0);
  const least = {
    'starts of instances': [count('starts of instances'), SHORT.instances + 1],
    'connections cut': [count('database connections cut'), 1],
    'rings that went astray': [count('rings dropped', 'rings doubled', 'rings delayed'), strays],
    'requests without success': [count('requests refused with 5xx', 'requests lost'), 1],
    'calls of handlers': [count('calls of handlers'), others],
    answers: [count('answered'), others],
  } as const;
  return Object.entries(least).flatMap(([name, [seen, needed]]) => (seen >= needed ? [] : [`${name}: ${seen} of ${needed}`]));
}
