/** The table of connections: what is written again after others took this node for dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionChanges, ConnectionRow } from '../../src/store/store.ts';
import { ConnectionTable } from '../../src/transactions/connection-table.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

function row(id: string): ConnectionRow {
  return { id, transactionId: 'txn_a', node: 'node', transport: 'WebSockets', since: 5 };
}

function tableOf(isShared: boolean): { readonly table: ConnectionTable; readonly saved: ConnectionChanges[] } {
  const saved: ConnectionChanges[] = [];
  const store = { saveConnections: async (changes: ConnectionChanges) => void saved.push(changes) };
  return { table: new ConnectionTable({ store, clock: new ManualClock(), node: isShared ? 'node' : undefined }), saved };
}

test('writes the rows of all that are open once more, and of no other', async () => {
  const { table, saved } = tableOf(true);
  for (const id of ['a', 'b', 'c']) table.add(row(id));
  await table.flushIfPossible();
  table.remove('b');
  await table.flushIfPossible();
  saved.splice(0);
  table.writeAgain();
  table.remove('c');
  await table.flushIfPossible();
  assert.deepEqual(saved, [{ added: [row('a')], removed: ['c'], node: 'node' }]);
});

test('where nobody else can have removed them, no row is kept and none is written twice', async () => {
  const { table, saved } = tableOf(false);
  table.add(row('a'));
  await table.flushIfPossible();
  table.writeAgain();
  await table.flushIfPossible();
  assert.equal(saved.length, 1);
});

test('very many rows are written in slices, and after a fault only those that were not', async () => {
  const ids = Array.from({ length: 2_500 }, (_, index) => `${index}`);
  const saved: ConnectionChanges[] = [];
  let isAway = false;
  const store = {
    saveConnections: async (changes: ConnectionChanges) => {
      if (isAway && saved.length === 1) throw new Error('away');
      saved.push(changes);
    },
  };
  const table = new ConnectionTable({ store, clock: new ManualClock(), node: 'n1' });
  for (const id of ids) table.add(row(id));
  await table.flushIfPossible();
  saved.splice(0);
  table.writeAgain();
  isAway = true;
  await table.flushIfPossible();
  assert.equal(saved.length, 1);
  isAway = false;
  await table.flushIfPossible();
  assert.deepEqual(
    saved.map(({ added }) => added.length),
    [1_000, 1_000, 500],
  );
  assert.deepEqual(
    saved.flatMap(({ added }) => added.map(({ id }) => id)),
    ids,
  );
});
