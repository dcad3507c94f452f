import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { eachSetting, eachTimedSetting } from '../fixtures/each-setting.ts';
import { request } from '../fixtures/http-api.ts';

eachSetting('`Prefer: wait` answers what the page did with the message, as soon as it did', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const work = Promise.withResolvers<void>();
  await using page = await setting.attach(opened, {
    onMessage: ({ sequence }, self) => void work.promise.then(() => self.ack(sequence, { sequence })),
  });
  const waiting = backEnd.send(opened.id, { id: 'mine' }, 30);
  await page.untilMessages(1);
  const startedAt = performance.now();
  work.resolve();
  const answer = await waiting;
  assert.deepEqual(answer, { id: 'mine', sequence: 1, status: 'handled', duplicate: false, reply: { sequence: 1 } });
  assert.ok(performance.now() - startedAt < 5_000);
  assert.deepEqual((await backEnd.receipt(opened.id, 'mine')).reply, { sequence: 1 });
});

eachSetting('a repeat with `Prefer: wait` waits for that same message', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const first = await backEnd.send(opened.id, { id: 'once' });
  await using page = await setting.attach(opened);
  const waiting = [backEnd.send(opened.id, { id: 'once' }, 30), backEnd.send(opened.id, { id: 'once' }, 30)];
  await page.ack(1, 'ok');
  for (const answer of await Promise.all(waiting)) {
    assert.deepEqual(answer, { id: first.id, sequence: 1, status: 'handled', duplicate: true, reply: 'ok' });
  }
  assert.deepEqual(page.sequences, [1]);
  assert.equal((await backEnd.send(opened.id, { id: 'once' }, 30)).status, 'handled');
});

eachTimedSetting('`Prefer: wait` is answered `stored` when the time is over, which is never more than 30 s', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await using page = await setting.attach(opened);
  const waiting = backEnd.send(opened.id, {}, 3_600);
  await page.untilMessages(1);
  let isAnswered = false;
  void waiting.then(() => (isAnswered = true));
  await setting.pass(29_000);
  assert.equal(isAnswered, false);
  await setting.pass(1_000);
  const { status, duplicate, sequence } = await waiting;
  assert.deepEqual({ status, duplicate, sequence }, { status: 'stored', duplicate: false, sequence: 1 });
});

eachTimedSetting('`Prefer: wait` tells of a message that failed', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await using page = await setting.attach(opened);
  const waiting = backEnd.send(opened.id, { id: 'doomed' }, 30);
  for (const [index, delayMs] of [1_000, 2_000, 4_000, 8_000].entries()) {
    await page.untilMessages(index + 1);
    await page.nack(1, 'no');
    await setting.pass(delayMs);
  }
  await page.untilMessages(5);
  await page.nack(1, 'never');
  // Elsewhere it is known when it is written, a moment later.
  await setting.pass(1_000);
  assert.deepEqual(await waiting, { id: 'doomed', sequence: 1, status: 'failed', duplicate: false, error: 'never' });
});

eachSetting('a page that only polls handles its messages', async ({ backEnd, url }) => {
  const opened = await backEnd.open();
  const bearer = opened.accessToken;
  const base = `${url}/v1/transactions/${opened.id}`;
  const sent = [await backEnd.send(opened.id), await backEnd.send(opened.id), await backEnd.send(opened.id)];
  const waiting = backEnd.send(opened.id, { id: 'awaited' }, 30);
  const page = await request('GET', `${base}/messages?after=0`, { bearer });
  assert.equal(page.status, 200);
  assert.partialDeepStrictEqual(page.body, { ackedSequence: 0, state: 'open', messages: sent.map(({ id }) => ({ id })) });
  const first = await backEnd.receipt(opened.id, sent[0]?.id ?? '');
  assert.deepEqual([first.status, first.attempts], ['delivered', 1]);
  assert.equal((await request('POST', `${base}/acks`, { bearer, json: { sequence: 2, reply: { n: 2 } } })).status, 204);
  assert.equal((await request('POST', `${base}/acks`, { bearer, json: { sequence: 3, error: 'cannot' } })).status, 204);
  const receipts = await Promise.all(sent.map(({ id }) => backEnd.receipt(opened.id, id)));
  assert.deepEqual(
    receipts.map(({ status, reply, error }) => [status, reply, error]),
    [
      ['handled', undefined, undefined],
      ['handled', { n: 2 }, undefined],
      ['failed', undefined, 'cannot'],
    ],
  );
  // The message that is waited for may have been stored behind the read above.
  assert.equal((await request('GET', `${base}/messages?after=3`, { bearer })).status, 200);
  await backEnd.send(opened.id, { id: 'awaited' });
  assert.equal((await request('POST', `${base}/acks`, { bearer, json: { sequence: 4, reply: 0 } })).status, 204);
  assert.deepEqual(await waiting, { id: 'awaited', sequence: 4, status: 'handled', duplicate: false, reply: 0 });
  const beyond = await request('POST', `${base}/acks`, { bearer, json: { sequence: 5 } });
  assert.equal(beyond.status, 422);
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 4);
});

eachSetting('a read by the back end counts as no delivery', async ({ backEnd }) => {
  const opened = await backEnd.open();
  const sent = await backEnd.send(opened.id);
  await backEnd.messages(opened.id);
  assert.equal((await backEnd.receipt(opened.id, sent.id)).attempts, 0);
});
