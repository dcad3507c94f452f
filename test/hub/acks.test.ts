import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { parseConfiguration } from '../../src/server/configuration.ts';
import type { Metrics } from '../../src/server/metrics.ts';
import { assemble } from '../../src/server/ringback.ts';
import type { WireOpened } from '../../src/server/wire.ts';
import { eachSetting, transports, type Setting } from '../fixtures/each-setting.ts';
import { Page } from '../fixtures/page.ts';
import { Proxy } from '../fixtures/proxy.ts';

interface Scene extends AsyncDisposable {
  readonly opened: WireOpened;
  readonly page: Page;
  /** Of the messages, in order. */
  readonly ids: readonly string[];
}

/** A page that has been sent so many messages and has acked none. */
async function sceneOf(setting: Setting, count: number): Promise<Scene> {
  const opened = await setting.backEnd.open();
  const ids: string[] = [];
  for (let n = 1; n <= count; n++) ids.push((await setting.backEnd.send(opened.id, { data: n })).id);
  const page = await setting.attach(opened);
  return { opened, page, ids, [Symbol.asyncDispose]: () => page[Symbol.asyncDispose]() };
}

eachSetting('an ack covers everything up to it, and the receipts tell when', async (setting) => {
  await using scene = await sceneOf(setting, 3);
  const { opened, page, ids } = scene;
  const { backEnd } = setting;
  const delivered = await backEnd.receipt(opened.id, ids[2] ?? '');
  assert.deepEqual([delivered.status, delivered.attempts, delivered.handledAt], ['delivered', 1, undefined]);
  await page.ack(2);
  const receipts = await Promise.all(ids.map((id) => backEnd.receipt(opened.id, id)));
  assert.deepEqual(
    receipts.map(({ status, attempts, sequence }) => [sequence, status, attempts]),
    [
      [1, 'handled', 1],
      [2, 'handled', 1],
      [3, 'delivered', 1],
    ],
  );
  const { storedAt, deliveredAt = '', handledAt = '' } = receipts[1] ?? assert.fail();
  assert.ok(storedAt <= deliveredAt && deliveredAt <= handledAt, `${storedAt} ${deliveredAt} ${handledAt}`);
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 2);
});

eachSetting('a message that no page was there for is `stored`', async ({ backEnd }) => {
  const { id } = await backEnd.open();
  const sent = await backEnd.send(id);
  const receipt = await backEnd.receipt(id, sent.id);
  assert.deepEqual(Object.keys(receipt), ['id', 'sequence', 'status', 'storedAt', 'attempts']);
  assert.deepEqual([receipt.status, receipt.attempts], ['stored', 0]);
});

eachSetting('whatever JSON an ack replies with is in the receipt of exactly that message', async (setting) => {
  const replies = [{ a: [1, { b: null }] }, [], 'text', '', 0, false, null] as const;
  await using scene = await sceneOf(setting, replies.length);
  for (const [index, reply] of replies.entries()) {
    await scene.page.connection.invoke('ack', index + 1, reply);
    const receipt = await setting.backEnd.receipt(scene.opened.id, scene.ids[index] ?? '');
    assert.deepEqual([receipt.status, 'reply' in receipt, receipt.reply], ['handled', true, reply]);
  }
});

eachSetting('an ack without a reply leaves none', async (setting) => {
  await using scene = await sceneOf(setting, 2);
  await scene.page.ack(2, { of: 'the second' });
  const [first, second] = await Promise.all(scene.ids.map((id) => setting.backEnd.receipt(scene.opened.id, id)));
  assert.deepEqual([first?.status, first !== undefined && 'reply' in first], ['handled', false]);
  assert.deepEqual(second?.reply, { of: 'the second' });
});

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

eachSetting('a reply that is too large or too deep is an error and changes nothing; the largest is taken', async (setting) => {
  await using scene = await sceneOf(setting, 2);
  const { page, opened } = scene;
  await assert.rejects(page.ack(1, 'x'.repeat(8191)), /reply_too_large/);
  await assert.rejects(page.ack(1, 'ü'.repeat(4096)), /reply_too_large/);
  await assert.rejects(page.ack(1, nested(65)), /json_too_deep/);
  await assert.rejects(page.nack(1, 'x'.repeat(8193)), /reply_too_large/);
  assert.equal((await setting.backEnd.transaction(opened.id)).ackedSequence, 0);
  await page.ack(1, 'x'.repeat(8190));
  await page.ack(2, nested(64));
  assert.equal((await setting.backEnd.transaction(opened.id)).ackedSequence, 2);
});

const NO_SEQUENCES = [3, 4, 2 ** 31, 2 ** 53, 1e300, 0, -1, 1.5, '1', null, true, [1], {}] as const;

eachSetting(
  'what is no sequence of a message sent here is refused, to an ack and to a nack, and changes nothing',
  async (setting) => {
    await using scene = await sceneOf(setting, 2);
    const { page, opened } = scene;
    for (const sequence of NO_SEQUENCES) {
      await assert.rejects(page.connection.invoke('ack', sequence), /sequence_out_of_range/, JSON.stringify(sequence));
      await assert.rejects(page.connection.invoke('nack', sequence, 'why'), /sequence_out_of_range/);
    }
    await assert.rejects(page.connection.invoke('ack'), /sequence_out_of_range/);
    await assert.rejects(page.connection.invoke('ack', 1, 'reply', 'more'), /ack\(sequence, reply\?\)/);
    await assert.rejects(page.connection.invoke('nack', 1), /nack\(sequence, error\)/);
    await assert.rejects(page.connection.invoke('nack', 1, { not: 'text' }), /nack\(sequence, error\)/);
    const transaction = await setting.backEnd.transaction(opened.id);
    assert.equal(transaction.ackedSequence, 0);
    assert.equal((await setting.backEnd.receipt(opened.id, scene.ids[0] ?? '')).status, 'delivered');
    await page.ack(2);
  },
);

eachSetting('a position below the last message does not let a page ack what it was not sent', async (setting) => {
  await using scene = await sceneOf(setting, 3);
  await using other = await setting.attach(scene.opened, { after: 2 });
  await assert.rejects(other.ack(4), /sequence_out_of_range/);
  await other.ack(2);
  assert.equal((await setting.backEnd.transaction(scene.opened.id)).ackedSequence, 2);
});

eachSetting('an ack lower than before, and the same one again, are harmless', async (setting) => {
  await using scene = await sceneOf(setting, 3);
  const { page, opened, ids } = scene;
  await page.ack(3, 'first');
  const before = await setting.backEnd.receipt(opened.id, ids[2] ?? '');
  await page.ack(1, 'late');
  await page.ack(3, 'second');
  assert.deepEqual(await setting.backEnd.receipt(opened.id, ids[2] ?? ''), before);
  assert.equal((await setting.backEnd.transaction(opened.id)).ackedSequence, 3);
});

eachSetting('an ack that was lost with its connection is repeated by acking the position after attaching', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const sent = [await backEnd.send(opened.id), await backEnd.send(opened.id)];
  await using proxy = await Proxy.start(setting.url);
  const page = await setting.attach({ ...opened, hubUrl: proxy.through(opened.hubUrl) });
  assert.deepEqual(page.sequences, [1, 2]);
  proxy.isDeaf = true;
  void page.connection.send('ack', 2).catch(() => undefined);
  proxy.cut();
  await page.ended();
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 0);
  await using again = setting.page(opened, { after: 2 });
  await again.connection.start();
  // At once, without waiting for `caughtUp`.
  await again.ack(2);
  for (const { id } of sent) assert.equal((await backEnd.receipt(opened.id, id)).status, 'handled');
  await again.until(({ name }) => name === 'caughtUp');
  assert.deepEqual(again.sequences, []);
});

eachSetting('a page may call nothing but ack and nack', async (setting) => {
  await using scene = await sceneOf(setting, 1);
  // In MessagePack a call of no name is no message.
  const nameless = setting.protocol === 'json' ? [''] : [];
  for (const target of ['message', 'caughtUp', 'closed', 'attach', 'constructor', '__proto__', 'ACK ', ...nameless]) {
    await assert.rejects(scene.page.connection.invoke(target, 1), /Method does not exist/, target);
  }
  await scene.page.ack(1);
});

eachSetting('bytes and dates in a reply are texts in its receipt', async (setting) => {
  await using scene = await sceneOf(setting, 1);
  const { opened, page, ids } = scene;
  const reply = { at: new Date('2018-01-01T11:24:00.250Z'), bytes: Buffer.of(1, 2, 3) };
  await page.ack(1, setting.protocol === 'json' ? { at: reply.at, bytes: reply.bytes.toString('base64') } : reply);
  const receipt = await setting.backEnd.receipt(opened.id, ids[0] ?? '');
  assert.deepEqual(receipt.reply, { at: '2018-01-01T11:24:00.250Z', bytes: 'AQID' });
});

async function refusals({ refusedCalls }: Metrics): Promise<unknown> {
  const { values } = await refusedCalls.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.kind, value]));
}

for (const transport of transports) {
  test(`an ack that asks for no answer is ignored and counted when it is refused (${transport})`, async () => {
    const assembly = await assemble(parseConfiguration({ store: 'memory:' }), { apiKeys: [] });
    const { api, server, metrics } = assembly;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const { id, accessToken } = await api.open({});
    await api.send(id, { type: 'note', data: '1' });
    {
      await using page = await Page.open({ hubUrl: `http://127.0.0.1:${address.port}/hub`, accessToken, transport });
      for (const sequence of NO_SEQUENCES) await page.connection.send('ack', sequence);
      await page.connection.send('nack', 2, 'why');
      // Answered behind all of them.
      await assert.rejects(page.ack(3));
      assert.deepEqual(await refusals(metrics), { ack: NO_SEQUENCES.length + 1, nack: 1 });
      assert.match(await api.transaction(id, true), /"ackedSequence":0/);
      await page.ack(1);
    }
    assert.match(await metrics.registry.metrics(), /ringback_refused_acks_total\{kind="ack"\} 14/);
    server.close();
    await assembly.close();
  });
}
