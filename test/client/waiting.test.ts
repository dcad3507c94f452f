import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { openTransaction } from '../../src/client/index.ts';
import { eachNetwork, overWebSockets } from './each-network.ts';
import { becomes, handled, reaches, Tab } from './tab.ts';

mock.method(console, 'warn', () => undefined);

eachNetwork('waitFor has what comes, what has come, and what came before a reload', async ({ backEnd, open }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const first = await tab.load();
  const coming = first.waitFor('paid');
  await backEnd.send(opened.id, { type: 'note' });
  await backEnd.send(opened.id, { type: 'paid', data: 1 });
  await backEnd.send(opened.id, { type: 'paid', data: 2 });
  assert.equal((await coming).data, 1);
  assert.equal((await first.waitFor('paid')).data, 1);
  const second = await tab.load();
  assert.equal((await second.waitFor('paid')).data, 1);
});

overWebSockets(
  'waitFor gives up after its time, by its signal, and when the transaction ends; nothing of it is left',
  async (surroundings) => {
    const { backEnd, open } = surroundings;
    const opened = await open();
    const page = openTransaction(opened);
    await reaches(page, 'open');
    await assert.rejects(page.waitFor('paid', { timeoutMs: 500 }), { name: 'TimeoutError', message: /'paid'/u });
    await assert.rejects(page.waitFor('paid', { timeoutMs: 0 }), { name: 'TimeoutError' });
    const reason = new Error('not any more');
    await assert.rejects(page.waitFor('paid', { signal: AbortSignal.abort(reason) }), reason);
    const abort = new AbortController();
    const waiting = page.waitFor('paid', { signal: abort.signal, timeoutMs: 2 ** 40 });
    abort.abort(reason);
    await assert.rejects(waiting, reason);
    const late = page.waitFor('paid', { timeoutMs: Infinity });
    await backEnd.settle(opened.id);
    await assert.rejects(late, /no 'paid' came: settled/u);
    await assert.rejects(page.waitFor('paid'), /settled/u);
  },
);

eachNetwork('iteration begins with the first message and ends with the transaction', async ({ backEnd, open }) => {
  const opened = await open();
  await backEnd.send(opened.id, { data: 1 });
  await using tab = new Tab(opened);
  const page = await tab.load();
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const { data } of page) seen.push(data);
  })();
  for (let n = 2; n <= 4; n++) await handled(backEnd, opened.id, { data: n });
  const twice: unknown[] = [];
  for await (const { data } of page) {
    twice.push(data);
    if (data === 3) break;
  }
  await backEnd.settle(opened.id);
  await reading;
  assert.deepEqual(
    [seen, twice],
    [
      [1, 2, 3, 4],
      [1, 2, 3],
    ],
  );
});

overWebSockets('messages is the same array between changes, and a new one after each', async ({ backEnd, open }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  const snapshots = [page.messages];
  page.subscribe(() => snapshots.push(page.messages));
  await reaches(page, 'open');
  assert.equal(page.messages, page.messages);
  assert.equal(page.messages, snapshots[0], 'a state is no message');
  await handled(backEnd, opened.id);
  await handled(backEnd, opened.id);
  assert.deepEqual(
    [...new Set(snapshots)].map(({ length }) => length),
    [0, 1, 2],
  );
});

overWebSockets('what is replayed is shown in one step', async ({ backEnd, open }) => {
  const opened = await open();
  for (let n = 0; n < 30; n++) await backEnd.send(opened.id, { data: 'x'.repeat(10_000) });
  await using tab = new Tab(opened);
  const page = await tab.load();
  const lengths: number[] = [];
  page.subscribe(() => lengths.push(page.messages.length));
  await reaches(page, 'open');
  await becomes('the page was told', () => lengths.length > 0);
  assert.deepEqual(lengths, [30]);
});

overWebSockets(
  'a listener is called until it is taken off; what one throws reaches neither the others nor the client',
  async (surroundings) => {
    const { backEnd, open } = surroundings;
    const opened = await open();
    await using tab = new Tab(opened);
    const page = await tab.load();
    const thrown = Promise.withResolvers<unknown>();
    // In front of the test runner, for which it would be a failure of this file.
    process.setUncaughtExceptionCaptureCallback(thrown.resolve);
    let calls = 0;
    let told = 0;
    const off = page.subscribe(() => {
      if (told++ === 0) throw new Error('mine');
    });
    page.subscribe(() => calls++);
    await reaches(page, 'open');
    assert.match(String(await thrown.promise), /mine/u);
    process.setUncaughtExceptionCaptureCallback(null);
    off();
    const before = calls;
    assert.ok(before > 0);
    await handled(backEnd, opened.id);
    assert.ok(calls > before);
  },
);
