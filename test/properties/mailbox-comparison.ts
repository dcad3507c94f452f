/** Compares the real mailbox with the model: what its store says, and what its pages were told. */
import assert from 'node:assert/strict';
import { RingbackError } from '../../src/errors.ts';
import { statusOf } from '../../src/transactions/mailbox.ts';
import * as plain from './mailbox-model.ts';
import type { Model, ModelMessage, ModelTransaction } from './mailbox-model.ts';
import type { World } from './mailbox-world.ts';

/** Everything that can be asked, about every transaction there ever was. */
export async function compareStore(model: Model, world: World): Promise<void> {
  for (const transaction of model.transactions) {
    if (transaction.state === 'forgotten') {
      await refused(world.transactions.get(transaction.id), 'transaction_not_found');
      continue;
    }
    const record = await world.transactions.get(transaction.id);
    assert.equal(record.state, transaction.state);
    assert.equal(record.lastSequence, transaction.last);
    assert.equal(record.ackedSequence, transaction.acked);
    const connections = transaction.readers.filter(({ isGone }) => !isGone).map(({ id }) => id);
    assert.deepEqual(record.connections.map(({ id }) => id).toSorted(), connections.toSorted());
    for (const message of transaction.messages) {
      compareReceipt(transaction, message, await world.mailbox.receipt(transaction.id, message.id));
    }
  }
  assert.deepEqual(world.unclaimed.toSorted(), model.unclaimed.toSorted(), 'parked messages that nobody came for');
  for (const reference of ['a', 'b']) {
    const found = await world.transactions.byReference(reference);
    const expected = model.transactions.filter((each) => each.reference === reference && each.state !== 'forgotten');
    assert.deepEqual(
      found.map(({ id }) => id),
      expected.map(({ id }) => id).toReversed(),
    );
  }
}

type Receipt = Awaited<ReturnType<World['mailbox']['receipt']>>;

export function compareReceipt(transaction: ModelTransaction, message: ModelMessage, receipt: Receipt): void {
  const { outcome } = message;
  const expected = {
    id: message.id,
    sequence: message.sequence,
    status: plain.statusOf(transaction, message),
    attempts: message.attempts,
    isDelivered: message.attempts > 0,
    reply: outcome?.handled === true ? outcome.reply : undefined,
    error: outcome?.handled === false ? outcome.error : undefined,
  };
  const { id, sequence: at, attempts, deliveredAt, reply: answer, error } = receipt;
  const actual = {
    id,
    sequence: at,
    status: statusOf(receipt),
    attempts,
    isDelivered: deliveredAt !== undefined,
    reply: answer,
    error,
  };
  assert.deepEqual(actual, expected);
}

/** Each page has seen exactly what it should, in order, and nothing else. */
export function compareLogs(model: Model, world: World): void {
  for (const { id, log } of model.readers) assert.deepEqual(world.logOf(id), log, `what ${id} was told`);
}

/** What was noted and not committed is gone; nothing else is, and nothing has come to be. */
export async function adoptLosses(transaction: ModelTransaction, world: World): Promise<void> {
  if (transaction.state === 'forgotten') return;
  for (const message of transaction.messages) {
    const receipt = await world.mailbox.receipt(transaction.id, message.id);
    assert.equal(receipt.sequence, message.sequence);
    assert.ok(receipt.attempts <= message.attempts);
    message.attempts = receipt.attempts;
    const { handledAt, failedAt, error = '' } = receipt;
    if (handledAt !== undefined) assert.equal(message.outcome?.handled, true);
    // That it was handled after it had failed can have been lost too.
    else if (failedAt !== undefined) assert.ok(message.outcome);
    if (handledAt === undefined) message.outcome = failedAt === undefined ? undefined : { handled: false, error };
  }
}

export function described(message: { id: string; sequence: number; type: string; data: string }): readonly unknown[] {
  return [message.id, message.sequence, message.type, message.data];
}

export function isRefusal(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RingbackError && error.code === code;
}

export async function refused(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, isRefusal(code));
}
