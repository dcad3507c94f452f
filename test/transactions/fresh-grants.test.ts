import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreshGrants } from '../../src/transactions/fresh-grants.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

test('a grant is found once, within ten seconds', () => {
  const clock = new ManualClock();
  const fresh = new FreshGrants(clock);
  for (const hash of ['a', 'b', 'c']) fresh.remember(hash, { transactionId: 'txn_1', tokenId: `tok_${hash}` });
  assert.equal(fresh.take('a')?.tokenId, 'tok_a');
  assert.equal(fresh.take('a'), undefined);
  clock.advance(9_999);
  assert.equal(fresh.take('b')?.transactionId, 'txn_1');
  clock.advance(1);
  assert.equal(fresh.take('c'), undefined);
});

test('what is taken back is not found, and that of others is', () => {
  const fresh = new FreshGrants(new ManualClock());
  fresh.remember('mine', { transactionId: 'txn_1' });
  fresh.remember('ticket of mine', { transactionId: 'txn_1' });
  fresh.remember('other', { transactionId: 'txn_2' });
  fresh.drop('txn_1');
  assert.equal(fresh.take('mine'), undefined);
  assert.equal(fresh.take('ticket of mine'), undefined);
  assert.equal(fresh.take('other')?.transactionId, 'txn_2');
});

test('of more than four thousand the oldest give way', () => {
  const fresh = new FreshGrants(new ManualClock());
  for (let index = 0; index <= 4_096; index++) fresh.remember(String(index), { transactionId: 'txn_1' });
  assert.equal(fresh.take('0'), undefined);
  assert.equal(fresh.take('1')?.transactionId, 'txn_1');
  assert.equal(fresh.take('4096')?.transactionId, 'txn_1');
});
