/** Ids that a store makes: random, and with the sequence in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMessageId, sequenceIn } from '../../src/store/message-id.ts';

test('an id says its sequence, and no two are alike', () => {
  const sequences = [1, 9, 10, 35, 36, 1296, 100_000, 0xffff_ffff];
  for (const sequence of sequences) assert.equal(sequenceIn(newMessageId(sequence)), sequence);
  const ids = new Set(Array.from({ length: 100_000 }, () => newMessageId(7)));
  assert.equal(ids.size, 100_000);
  for (const id of ids) assert.match(id, /^msg_[\w-]{24}7$/);
});

test('a text that no store has made says nothing', () => {
  const random = 'x'.repeat(24);
  for (const text of [
    '',
    'msg_',
    `msg_${random}`,
    `msg_${random}0`,
    `msg_${random}01`,
    `msg_${random}A`,
    `txn_${random}1`,
    ` msg_${random}1`,
  ])
    assert.equal(sequenceIn(text), undefined, text);
});
