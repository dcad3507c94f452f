import assert from 'node:assert/strict';
import { eachSetting, eachTimedSetting } from '../fixtures/each-setting.ts';
import type { Page } from '../fixtures/page.ts';
import { Proxy } from '../fixtures/proxy.ts';

/** Ready to come back by itself, which no end of a transaction allows. */
const EAGER = { reconnects: 5 } as const;

function names(page: Page): string[] {
  return page.calls.map((call) => (call.name === 'message' ? `message ${call.message.sequence}` : call.name));
}

eachSetting('`closed` comes after everything unacked was sent; the last ack ends the connection for good', async (setting) => {
  const { backEnd } = setting;
  const { id, ...rest } = await backEnd.open();
  await using page = await setting.attach({ id, ...rest }, EAGER);
  const [first, second] = [await backEnd.send(id), await backEnd.send(id)];
  await backEnd.settle(id);
  assert.deepEqual(await page.until(({ name }) => name === 'closed'), { name: 'closed', reason: 'settled' });
  await page.ack(1);
  await page.ack(2, 'done');
  assert.equal(await page.ended(), undefined);
  assert.deepEqual(names(page), ['caughtUp', 'message 1', 'message 2', 'closed', 'end']);
  assert.equal((await backEnd.receipt(id, first.id)).status, 'handled');
  assert.equal((await backEnd.receipt(id, second.id)).reply, 'done');
  assert.equal((await backEnd.transaction(id)).state, 'settled');
});

eachSetting(
  'a page with nothing left to ack is told at once, and sent away for good, whether it was there or comes after',
  async (setting) => {
    const { backEnd } = setting;
    const opened = await backEnd.open();
    await backEnd.send(opened.id);
    await using page = await setting.attach(opened, EAGER);
    await page.ack(1);
    await backEnd.settle(opened.id);
    assert.equal(await page.ended(), undefined);
    await using late = await setting.attach(opened, EAGER);
    assert.equal(await late.ended(), undefined);
    assert.deepEqual(
      [names(page), names(late)],
      [
        ['message 1', 'caughtUp', 'closed', 'end'],
        ['caughtUp', 'closed', 'end'],
      ],
    );
  },
);

eachSetting('a page that comes back by itself to what was settled meanwhile is told, and sent away for good', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await using proxy = await Proxy.start(setting.url);
  const settled = Promise.withResolvers<string>();
  let isAway = false;
  const client = { accessTokenFactory: () => (isAway ? settled.promise : opened.accessToken) };
  await using page = await setting.attach({ ...opened, hubUrl: proxy.through(opened.hubUrl) }, { ...EAGER, client });
  isAway = true;
  proxy.cut();
  await backEnd.settle(opened.id);
  settled.resolve(opened.accessToken);
  assert.equal(await page.ended(), undefined);
  assert.deepEqual(names(page).toSorted(), ['caughtUp', 'caughtUp', 'closed', 'end', 'reconnected']);
  assert.equal(names(page).at(-1), 'end');
});

eachSetting('send, settle at once, and a handler that takes its time: still `handled`', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const work = Promise.withResolvers<void>();
  const acked = Promise.withResolvers<void>();
  await using page = await setting.attach(opened, {
    onMessage: ({ sequence }, self) => acked.resolve(work.promise.then(() => self.ack(sequence, { paid: true }))),
  });
  const sent = await backEnd.send(opened.id);
  await backEnd.settle(opened.id);
  await page.until(({ name }) => name === 'closed');
  assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'delivered');
  work.resolve();
  await acked.promise;
  assert.equal(await page.ended(), undefined);
  const { status, reply } = await backEnd.receipt(opened.id, sent.id);
  assert.deepEqual({ status, reply }, { status: 'handled', reply: { paid: true } });
});

eachSetting('a page that comes after settle gets what was left, and may ack it', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const sent = [await backEnd.send(opened.id), await backEnd.send(opened.id)];
  await backEnd.settle(opened.id);
  await using page = await setting.attach(opened);
  await page.until(({ name }) => name === 'closed');
  await page.ack(2);
  await page.ended();
  assert.deepEqual(names(page), ['message 1', 'message 2', 'caughtUp', 'closed', 'end']);
  for (const { id } of sent) assert.equal((await backEnd.receipt(opened.id, id)).status, 'handled');
});

eachSetting('the ack of one tab ends all tabs that wait for it', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await using first = await setting.attach(opened, EAGER);
  await using second = await setting.attach(opened, EAGER);
  await backEnd.send(opened.id);
  await backEnd.settle(opened.id);
  await Promise.all([first, second].map((page) => page.until(({ name }) => name === 'closed')));
  await first.ack(1);
  assert.deepEqual(await Promise.all([first.ended(), second.ended()]), [undefined, undefined]);
});

eachTimedSetting('acks are waited for no longer than 10 s', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const sent = await backEnd.send(opened.id);
  await using page = await setting.attach(opened, EAGER);
  await backEnd.settle(opened.id);
  await page.until(({ name }) => name === 'closed');
  await setting.pass(9_999);
  assert.deepEqual(names(page), ['message 1', 'caughtUp', 'closed']);
  await setting.pass(1);
  assert.equal(await page.ended(), undefined);
  assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'delivered');
});

eachTimedSetting(
  'a transaction expires while its page is there: what is left may be acked, then the connection ends',
  async (setting) => {
    const { backEnd } = setting;
    const opened = await backEnd.open({ ttlSeconds: 5 });
    await using page = await setting.attach(opened, EAGER);
    const sent = await backEnd.send(opened.id);
    await page.untilMessages(1);
    await setting.pass(4_999);
    assert.ok(!names(page).includes('closed'));
    await setting.pass(1);
    assert.deepEqual(await page.until(({ name }) => name === 'closed'), { name: 'closed', reason: 'expired' });
    assert.equal((await backEnd.transaction(opened.id)).state, 'expired');
    assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'expired');
    await page.ack(1);
    assert.equal(await page.ended(), undefined);
    assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'handled');
  },
);

eachTimedSetting('a page of an expired transaction replays, and ends', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open({ ttlSeconds: 1 });
  await backEnd.send(opened.id);
  await setting.pass(1_000);
  await using page = await setting.attach(opened);
  assert.deepEqual(await page.until(({ name }) => name === 'closed'), { name: 'closed', reason: 'expired' });
  await page.ack(1);
  await setting.pass(1_000);
  await page.ended();
  assert.deepEqual(names(page), ['message 1', 'caughtUp', 'closed', 'end']);
});

eachSetting('a transaction with the longest time to live can be waited on', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open({ ttlSeconds: 31_536_000 });
  assert.ok(Date.parse(opened.expiresAt) - Date.now() > 31_535_000_000);
  await using page = await setting.attach(opened);
  await backEnd.send(opened.id);
  await page.untilMessages(1);
  await page.ack(1);
  assert.deepEqual(names(page), ['caughtUp', 'message 1']);
});

eachSetting('a transaction that is forgotten closes its pages at once', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await backEnd.send(opened.id);
  await using page = await setting.attach(opened, EAGER);
  await backEnd.forget(opened.id);
  assert.equal(await page.ended(), undefined);
  assert.deepEqual(page.calls.at(-2), { name: 'closed', reason: 'forgotten' });
  assert.deepEqual(names(page), ['message 1', 'caughtUp', 'closed', 'end']);
  await assert.rejects(setting.attach(opened), /401/);
});

eachSetting('a transaction that is forgotten while its last acks are waited for closes its pages at once', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await backEnd.send(opened.id);
  await using page = await setting.attach(opened, EAGER);
  await backEnd.settle(opened.id);
  await page.until(({ name }) => name === 'closed');
  await backEnd.forget(opened.id);
  assert.equal(await page.ended(), undefined);
  assert.deepEqual(
    page.calls.flatMap((call) => (call.name === 'closed' ? [call.reason] : [])),
    ['settled', 'forgotten'],
  );
});

eachSetting('a revoked token closes its own pages at once, and no others', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const { body } = await backEnd.call('POST', `/v1/transactions/${opened.id}/tokens`);
  assert.ok(typeof body === 'object' && body !== null && 'accessToken' in body && typeof body.accessToken === 'string');
  await backEnd.send(opened.id);
  await using revoked = await setting.attach(opened, EAGER);
  await using other = await setting.attach({ ...opened, accessToken: body.accessToken });
  assert.equal((await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`)).status, 204);
  assert.equal(await revoked.ended(), undefined);
  assert.deepEqual(revoked.calls.at(-2), { name: 'closed', reason: 'revoked' });
  await backEnd.send(opened.id);
  await other.untilMessages(2);
  await other.ack(2);
  assert.deepEqual(names(other), ['message 1', 'caughtUp', 'message 2']);
  await assert.rejects(setting.attach(opened), /401/);
});

eachTimedSetting('a revoked token closes its page also while a nacked message waits', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await backEnd.send(opened.id);
  await using page = await setting.attach(opened, EAGER);
  await page.nack(1, 'not now');
  await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`);
  await page.until(({ name }) => name === 'closed');
  await setting.pass(20_000);
  await page.ended();
  assert.deepEqual(names(page), ['message 1', 'caughtUp', 'closed', 'end']);
});
