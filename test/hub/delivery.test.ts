import assert from 'node:assert/strict';
import { eachSetting } from '../fixtures/each-setting.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request } from '../fixtures/http-api.ts';
import type { Page } from '../fixtures/page.ts';

/** `1 … count`. */
function upTo(count: number, from = 1): number[] {
  return Array.from({ length: count - from + 1 }, (_, index) => from + index);
}

eachSetting('a message is received whether it came before the page, while it is there, or while it was away', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const before = await backEnd.send(opened.id, { type: 'payment.before', data: { n: 1, 'a key': ['ü', null, 1.5] } });
  const page = await setting.attach(opened);
  const { messages } = await backEnd.messages(opened.id);
  assert.deepEqual(page.messages, messages);
  assert.deepEqual(Object.keys(page.messages[0] ?? {}), ['id', 'sequence', 'type', 'data', 'time']);
  assert.equal(page.messages[0]?.id, before.id);
  assert.match(page.messages[0]?.time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  await backEnd.send(opened.id, { type: 'payment.during', data: 2 });
  await page.untilMessages(2);
  await page.ack(2);
  await page.connection.stop();
  await backEnd.send(opened.id, { type: 'payment.away', data: 3 });
  await using again = await setting.attach(opened);
  assert.deepEqual(
    again.messages.map(({ type, data }) => [type, data]),
    [['payment.away', 3]],
  );
  assert.deepEqual([page.sequences, again.sequences], [[1, 2], [3]]);
});

eachSetting(
  'the replay comes first, in order, then `caughtUp`, then what comes live, with nothing twice and no gap',
  async (setting) => {
    const { backEnd } = setting;
    const opened = await backEnd.open();
    for (const n of upTo(150)) await backEnd.send(opened.id, { data: n });
    const page = setting.page(opened);
    await using _ = page;
    const live = Promise.all(upTo(250, 151).map((n) => backEnd.send(opened.id, { data: n })));
    await page.connection.start();
    await live;
    await page.untilMessages(250);
    assert.deepEqual(page.sequences, upTo(250));
    const replay = page.calls.findIndex(({ name }) => name === 'caughtUp');
    const caughtUp = page.calls[replay];
    assert.ok(replay >= 150);
    assert.deepEqual(caughtUp, { name: 'caughtUp', sequence: replay, reset: false });
    assert.equal(page.calls.filter(({ name }) => name === 'caughtUp').length, 1);
  },
);

eachSetting('a new page of an empty mailbox is told that it is caught up to 0', async (setting) => {
  await using page = await setting.attach(await setting.backEnd.open());
  assert.deepEqual(page.calls, [{ name: 'caughtUp', sequence: 0, reset: false }]);
});

eachSetting('two connections of one transaction each get every message', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await backEnd.send(opened.id);
  await using first = await setting.attach(opened);
  await using second = await setting.attach(opened);
  await Promise.all(upTo(40, 2).map(() => backEnd.send(opened.id)));
  await Promise.all([first.untilMessages(40), second.untilMessages(40)]);
  assert.deepEqual([first.sequences, second.sequences], [upTo(40), upTo(40)]);
});

eachSetting('a tab that returns with its position gets what it missed, though another tab has acked it', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const leaving = await setting.attach(opened);
  await using staying = await setting.attach(opened);
  await backEnd.send(opened.id);
  await Promise.all([leaving.untilMessages(1), staying.untilMessages(1)]);
  await leaving.connection.stop();
  await backEnd.send(opened.id);
  await backEnd.send(opened.id);
  await staying.untilMessages(3);
  await staying.ack(3);
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 3);
  await using returned = await setting.attach(opened, { after: 1 });
  assert.deepEqual([leaving.sequences, returned.sequences, staying.sequences], [[1], [2, 3], [1, 2, 3]]);
  await backEnd.send(opened.id);
  await Promise.all([returned.untilMessages(3), staying.untilMessages(4)]);
  assert.deepEqual(
    [returned.sequences, staying.sequences],
    [
      [2, 3, 4],
      [1, 2, 3, 4],
    ],
  );
});

eachSetting('without a position a page begins where the acks of its transaction stand', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  for (const n of upTo(5)) await backEnd.send(opened.id, { data: n });
  const page = await setting.attach(opened);
  await page.ack(3);
  // The next may come to another instance, which knows of the ack once it is written: at the latest when somebody asks.
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 3);
  await page.connection.stop();
  await using next = await setting.attach(opened);
  assert.deepEqual(next.calls.at(-1), { name: 'caughtUp', sequence: 5, reset: false });
  assert.deepEqual(next.sequences, [4, 5]);
});

eachSetting('a position of 0 replays everything, the last one nothing', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  for (const n of upTo(3)) await backEnd.send(opened.id, { data: n });
  await using first = await setting.attach(opened);
  await first.ack(3);
  await using fromStart = await setting.attach(opened, { after: 0 });
  await using fromEnd = await setting.attach(opened, { after: 3 });
  assert.deepEqual([fromStart.sequences, fromEnd.sequences], [[1, 2, 3], []]);
  assert.deepEqual(fromEnd.calls, [{ name: 'caughtUp', sequence: 3, reset: false }]);
});

eachSetting('a position beyond the mailbox replays it from 1 and says so', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  for (const n of upTo(2)) await backEnd.send(opened.id, { data: n });
  await using page = await setting.attach(opened, { after: 7 });
  assert.deepEqual(page.sequences, [1, 2]);
  assert.deepEqual(page.calls.at(-1), { name: 'caughtUp', sequence: 2, reset: true });
  await backEnd.send(opened.id);
  await page.untilMessages(3);
  await assert.rejects(page.ack(7), /sequence_out_of_range/);
  await page.ack(3);
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 3);
});

eachSetting('a position beyond an empty mailbox is a reset, too', async (setting) => {
  await using page = await setting.attach(await setting.backEnd.open(), { after: 1 });
  assert.deepEqual(page.calls, [{ name: 'caughtUp', sequence: 0, reset: true }]);
});

eachSetting('what is no position is refused when the page connects', async (setting) => {
  const { accessToken: bearer, hubUrl } = await setting.backEnd.open();
  for (const query of ['after=-1', 'after=1.5', 'after=x', 'after=', 'after=1&after=2', 'after=99999999999999999999']) {
    const { status } = await request('POST', `${hubUrl}/negotiate?negotiateVersion=1&${query}`, { bearer });
    assert.equal(status, 400, query);
  }
});

eachSetting('of two transactions written to at the same time nothing crosses', async (setting) => {
  const { backEnd } = setting;
  const opened = [await backEnd.open(), await backEnd.open()] as const;
  const [a, b] = opened;
  await using pageOfA = await setting.attach(a);
  await using pageOfB = await setting.attach(b);
  const sent = upTo(50).flatMap((n) => opened.map(({ id }) => backEnd.send(id, { data: { owner: id, n } })));
  await Promise.all([...sent, pageOfA.untilMessages(50), pageOfB.untilMessages(50)]);
  await Promise.all([pageOfA.ack(50, 'of a'), pageOfB.ack(50, 'of b')]);
  const owners = (page: Page): unknown[] => [...new Set(page.messages.map(({ data }) => JSON.stringify(data).split('"')[3]))];
  assert.deepEqual([owners(pageOfA), owners(pageOfB)], [[a.id], [b.id]]);
  assert.deepEqual([pageOfA.sequences, pageOfB.sequences], [upTo(50), upTo(50)]);
  const idOfLast = (page: Page): string => page.messages.at(-1)?.id ?? '';
  assert.equal((await backEnd.receipt(a.id, idOfLast(pageOfA))).reply, 'of a');
  assert.equal((await backEnd.receipt(b.id, idOfLast(pageOfB))).reply, 'of b');
});

eachSetting('the status query shows a connection from the moment it is there until it is gone', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const first = await setting.attach(opened);
  await using second = await setting.attach(opened);
  const { connections } = await backEnd.transaction(opened.id);
  assert.deepEqual(
    new Set(connections.map(({ id }) => id)),
    new Set([first.connection.connectionId, second.connection.connectionId]),
  );
  assert.equal(connections.length, 2);
  for (const { node, transport, since } of connections) {
    assert.notEqual(node, '');
    assert.equal(transport, setting.transport);
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000, since);
  }
  await first.connection.stop();
  await eventually(
    'the row of the page that left goes',
    async () => (await backEnd.transaction(opened.id)).connections.length < 2,
  );
  const byToken = await request('GET', `${setting.url}/v1/transactions/${opened.id}`, { bearer: opened.accessToken });
  assert.partialDeepStrictEqual(byToken.body, {
    connections: [{ id: second.connection.connectionId, transport: setting.transport }],
  });
});
