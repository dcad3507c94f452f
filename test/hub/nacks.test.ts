import assert from 'node:assert/strict';
import { eachTimedSetting, type TimedSetting } from '../fixtures/each-setting.ts';
import { eventually } from '../fixtures/eventually.ts';
import type { Page } from '../fixtures/page.ts';

const DELAYS_MS = [1_000, 2_000, 4_000, 8_000] as const;

/** Opens a transaction with so many messages; the ids of both. */
async function opened({ backEnd }: TimedSetting, count: number) {
  const transaction = await backEnd.open();
  const ids: string[] = [];
  for (let n = 1; n <= count; n++) ids.push((await backEnd.send(transaction.id, { data: n })).id);
  return { transaction, id: transaction.id, ids, receipt: (n: number) => backEnd.receipt(transaction.id, ids[n - 1] ?? '') };
}

/** Nacks one message on each of its deliveries, and checks when each of them comes. */
async function nackToTheEnd(setting: TimedSetting, page: Page, sequence: number): Promise<void> {
  for (const delayMs of DELAYS_MS) {
    const before = page.messages.length;
    await page.nack(sequence, `failed, then ${delayMs}`);
    await setting.pass(delayMs - 1);
    assert.equal(page.messages.length, before, `not before ${delayMs} ms`);
    await setting.pass(1);
    await page.untilMessages(before + 1);
    assert.equal(page.sequences.at(-1), sequence);
  }
  await page.nack(sequence, 'failed for good');
}

eachTimedSetting(
  'a nacked message is sent again after 1, 2, 4 and 8 s; the fifth nack fails it, and the next one flows',
  async (setting) => {
    const { transaction, id, receipt } = await opened(setting, 1);
    await using page = await setting.attach(transaction);
    const first = page.messages[0];
    await page.nack(1, 'not now');
    const next = await setting.backEnd.send(id, { data: 'next' });
    await setting.pass(1_000);
    await page.untilMessages(2);
    assert.deepEqual(page.messages, [first, first]);
    for (const delayMs of DELAYS_MS.slice(1)) {
      const count = page.messages.length;
      await page.nack(1, `then ${delayMs}`);
      assert.equal((await receipt(1)).attempts, count);
      await setting.pass(delayMs - 1);
      assert.equal(page.messages.length, count);
      await setting.pass(1);
      await page.untilMessages(count + 1);
    }
    assert.deepEqual(page.sequences, [1, 1, 1, 1, 1]);
    assert.equal((await receipt(1)).status, 'delivered');
    await page.nack(1, 'the last straw');
    await page.untilMessages(6);
    assert.deepEqual(page.sequences, [1, 1, 1, 1, 1, 2]);
    const { status, attempts, error, handledAt } = await receipt(1);
    assert.deepEqual(
      { status, attempts, error, handledAt },
      { status: 'failed', attempts: 5, error: 'the last straw', handledAt: undefined },
    );
    await page.ack(2);
    assert.equal((await setting.backEnd.receipt(id, next.id)).status, 'handled');
    assert.equal((await setting.backEnd.transaction(id)).ackedSequence, 2);
  },
);

eachTimedSetting('what was sent already is not sent again for a nack before it, and what was not waits', async (setting) => {
  const { transaction, id } = await opened(setting, 3);
  await using page = await setting.attach(transaction);
  await page.nack(2, 'not now');
  await setting.backEnd.send(id, { data: 'waits' });
  await setting.pass(999);
  assert.deepEqual(page.sequences, [1, 2, 3]);
  await setting.pass(1);
  await page.untilMessages(4);
  await setting.backEnd.send(id, { data: 'waits, too' });
  await setting.pass(20_000);
  assert.deepEqual(page.sequences, [1, 2, 3, 2]);
  await page.ack(2);
  await page.untilMessages(6);
  assert.deepEqual(page.sequences, [1, 2, 3, 2, 4, 5]);
});

eachTimedSetting('an ack of a later message does not cover a nacked one; an ack of exactly it does', async (setting) => {
  const { transaction, id, receipt } = await opened(setting, 3);
  await using page = await setting.attach(transaction);
  await page.nack(2, 'not now');
  await page.ack(3);
  const statuses = async (): Promise<string[]> => Promise.all([1, 2, 3].map(async (n) => (await receipt(n)).status));
  assert.deepEqual(await statuses(), ['handled', 'delivered', 'handled']);
  assert.equal((await setting.backEnd.transaction(id)).ackedSequence, 1);
  await setting.pass(1_000);
  await page.untilMessages(4);
  await page.ack(3);
  assert.deepEqual(await statuses(), ['handled', 'delivered', 'handled']);
  await page.ack(2, 'at last');
  assert.deepEqual(await statuses(), ['handled', 'handled', 'handled']);
  assert.equal((await receipt(2)).reply, 'at last');
  await setting.pass(20_000);
  assert.deepEqual(page.sequences, [1, 2, 3, 2]);
});

eachTimedSetting('a nacked message that another connection acks is handled, and is not sent again', async (setting) => {
  const { transaction, id, receipt } = await opened(setting, 2);
  await using failing = await setting.attach(transaction);
  await using working = await setting.attach(transaction);
  await failing.nack(1, 'not here');
  await working.ack(2);
  assert.deepEqual([(await receipt(1)).status, (await receipt(2)).status], ['handled', 'handled']);
  await setting.backEnd.send(id);
  await working.untilMessages(3);
  await setting.pass(1_000);
  await failing.untilMessages(3);
  assert.deepEqual(failing.sequences, [1, 2, 3]);
});

eachTimedSetting('a failed message becomes handled by an ack of exactly it alone', async (setting) => {
  const { transaction, receipt } = await opened(setting, 2);
  await using page = await setting.attach(transaction);
  await nackToTheEnd(setting, page, 1);
  await page.ack(2);
  assert.deepEqual([(await receipt(1)).status, (await receipt(2)).status], ['failed', 'handled']);
  await using other = await setting.attach(transaction, { after: 0 });
  await other.ack(2);
  assert.equal((await receipt(1)).status, 'failed');
  await other.ack(1, 'after all');
  const { status, reply, error } = await receipt(1);
  assert.deepEqual({ status, reply, error }, { status: 'handled', reply: 'after all', error: undefined });
});

eachTimedSetting('handled on one connection wins over failed on another', async (setting) => {
  const { transaction, receipt } = await opened(setting, 2);
  await using failing = await setting.attach(transaction);
  await using working = await setting.attach(transaction);
  for (const delayMs of DELAYS_MS) {
    const count = failing.messages.length;
    await failing.nack(2, 'not here');
    await setting.pass(delayMs);
    await failing.untilMessages(count + 1);
  }
  // The first is unacked still, so that it is not by the position that the second is known to be handled.
  await working.nack(1, 'not here either');
  await working.ack(2);
  await failing.nack(2, 'never here');
  const { status, error } = await receipt(2);
  assert.deepEqual({ status, error }, { status: 'handled', error: undefined });
});

eachTimedSetting('a new connection counts its deliveries anew', async (setting) => {
  const { transaction, receipt } = await opened(setting, 1);
  const leaving = await setting.attach(transaction);
  for (const delayMs of DELAYS_MS) {
    const count = leaving.messages.length;
    await leaving.nack(1, 'no');
    await setting.pass(delayMs);
    await leaving.untilMessages(count + 1);
  }
  await leaving.connection.stop();
  await using page = await setting.attach(transaction);
  await nackToTheEnd(setting, page, 1);
  const { status, attempts } = await receipt(1);
  assert.deepEqual({ status, attempts }, { status: 'failed', attempts: 10 });
});

eachTimedSetting('several nacks of one delivery are one nack, and none after the fifth begins anew', async (setting) => {
  const { transaction, receipt } = await opened(setting, 2);
  await using page = await setting.attach(transaction);
  for (const _ of DELAYS_MS) await page.nack(2, 'again and again');
  await page.nack(2, 'and again');
  await setting.pass(1_000);
  await page.untilMessages(3);
  assert.equal((await receipt(2)).status, 'delivered');
  await nackAll(setting, page, DELAYS_MS.slice(1));
  assert.equal((await receipt(2)).status, 'failed');
  await page.nack(2, 'once more');
  await setting.pass(20_000);
  assert.deepEqual(page.sequences, [1, 2, 2, 2, 2, 2]);
  assert.equal((await receipt(2)).error, 'the end');
});

async function nackAll(setting: TimedSetting, page: Page, delaysMs: readonly number[]): Promise<void> {
  for (const delayMs of delaysMs) {
    const count = page.messages.length;
    await page.nack(2, 'no');
    await setting.pass(delayMs);
    await page.untilMessages(count + 1);
  }
  await page.nack(2, 'the end');
}

eachTimedSetting('after settle the retries of a nacked message run before `closed`, and its 10 s begin then', async (setting) => {
  const { transaction, id, receipt } = await opened(setting, 2);
  await using page = await setting.attach(transaction, { reconnects: 3 });
  await page.nack(1, 'not now');
  await setting.backEnd.settle(id);
  for (const delayMs of DELAYS_MS) {
    const count = page.messages.length;
    await setting.pass(delayMs);
    await page.untilMessages(count + 1);
    assert.ok(!page.calls.some(({ name }) => name === 'closed'), `not before ${delayMs} ms`);
    await page.nack(1, 'not now');
  }
  await page.until(({ name }) => name === 'closed');
  assert.deepEqual(page.sequences, [1, 2, 1, 1, 1, 1]);
  await setting.pass(9_000);
  await page.ack(2);
  assert.equal(await page.ended(), undefined);
  assert.deepEqual([(await receipt(1)).status, (await receipt(2)).status], ['failed', 'handled']);
});

eachTimedSetting('a page that leaves while a message waits to be sent again is not missed', async (setting) => {
  const { transaction, receipt } = await opened(setting, 1);
  const page = await setting.attach(transaction);
  await page.nack(1, 'not now');
  await page.connection.stop();
  await eventually('its row goes', async () => (await setting.backEnd.transaction(transaction.id)).connections.length === 0);
  await setting.pass(20_000);
  assert.deepEqual([(await receipt(1)).status, (await receipt(1)).attempts], ['delivered', 1]);
});
