import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { openTransaction } from '../../src/client/index.ts';
import { eachNetwork, overWebSockets } from './each-network.ts';
import { becomes, handled, passes, reaches, Tab } from './tab.ts';

mock.method(console, 'warn', () => undefined);

eachNetwork('a settled transaction ends when all that came before is handled and told', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const gate = Promise.withResolvers<string>();
  const page = await tab.load(() => gate.promise);
  await reaches(page, up);
  const sent = await backEnd.send(opened.id);
  await backEnd.settle(opened.id);
  await becomes('the handler runs', () => tab.calls.length === 1);
  // Longer than the server keeps the connection.
  await passes(20_000);
  assert.equal(page.state, up);
  gate.resolve('late');
  await reaches(page, 'settled');
  const receipt = await backEnd.receipt(opened.id, sent.id);
  assert.deepEqual([receipt.status, receipt.reply, tab.calls], ['handled', 'late', [1]]);
});

eachNetwork('a handler that always fails does not keep a settled transaction from its end', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load(({ sequence }) => {
    if (sequence === 1) throw new Error('no');
  });
  await reaches(page, up);
  const sent = [await backEnd.send(opened.id), await backEnd.send(opened.id)];
  await backEnd.settle(opened.id);
  await reaches(page, 'settled');
  const outcomes = await Promise.all(sent.map(({ id }) => backEnd.receipt(opened.id, id)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['failed', 'handled'],
  );
  assert.equal(tab.calls.at(-1), 2);
  assert.ok(tab.calls.length >= 6 && tab.calls.length <= 10, tab.calls.join());
});

eachNetwork('an expired transaction ends with what it had', async ({ backEnd, open }) => {
  const opened = await open({ ttlSeconds: 1 });
  await using tab = new Tab(opened);
  const page = await tab.load();
  await handled(backEnd, opened.id);
  await reaches(page, 'expired');
  assert.deepEqual([tab.calls, page.messages.length], [[1], 1]);
  const again = await tab.load();
  await reaches(again, 'expired');
  assert.deepEqual([tab.calls, again.messages.length], [[1], 1]);
});

eachNetwork('a transaction that is forgotten ends, with what has come', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load();
  await reaches(page, up);
  await handled(backEnd, opened.id);
  await backEnd.forget(opened.id);
  // Without a connection nobody tells the page why its token is no longer good.
  await reaches(page, up === 'open' ? 'forgotten' : 'revoked');
  assert.equal(page.messages.length, 1);
});

eachNetwork('once it is closed no handler is called, and every waiting ends', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const page = await tab.load(() => {
    throw new Error('no');
  });
  await reaches(page, up);
  const waiting = page.waitFor('paid');
  const types: string[] = [];
  const reading = (async () => {
    for await (const { type } of page) types.push(type);
  })();
  await backEnd.send(opened.id);
  await becomes('the handler has failed', () => tab.calls.length === 2);
  const refused = assert.rejects(waiting, /no 'paid' came: closed/u);
  await page.close();
  await refused;
  await reading;
  await backEnd.send(opened.id);
  await passes(20_000);
  assert.deepEqual([tab.calls, types, page.messages.length], [[1, 1], ['note'], 1]);
});

eachNetwork('a handler may close the transaction, and has handled its message', async ({ backEnd, open }) => {
  const opened = await open();
  const page = openTransaction(opened, {
    onMessage: async () => {
      await page.close();
      return 'enough';
    },
  });
  const receipt = await handled(backEnd, opened.id);
  assert.deepEqual([receipt.status, receipt.reply, page.state], ['handled', 'enough', 'closed']);
});

overWebSockets('a final state stays, whatever comes after it', async ({ backEnd, open }) => {
  const opened = await open();
  const page = openTransaction(opened);
  const states: string[] = [];
  page.subscribe(() => states.push(page.state));
  await reaches(page, 'open');
  await backEnd.settle(opened.id);
  await reaches(page, 'settled');
  await page.close();
  assert.deepEqual([page.state, states], ['settled', ['open', 'settled']]);
});
