/** What the simulated provider sends, what our server answers it, and what the page gets of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventKinds, type EventKind } from '../../src/server/demo/provider.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startServer, temporaryFolder } from '../fixtures/server.ts';
import { eachDemo } from './each-demo.ts';
import { attach, Visitor } from './visitor.ts';

interface Expected {
  readonly statuses: readonly number[];
  /** Of the messages that the page gets, in order. */
  readonly types: readonly string[];
}

const EXPECTED: Readonly<Record<EventKind, Expected>> = {
  authorised: { statuses: [200], types: ['payment.authorised'] },
  success: { statuses: [200], types: ['payment.captured'] },
  failure: { statuses: [200], types: ['payment.declined'] },
  duplicate: { statuses: [200, 200], types: ['payment.captured'] },
  'out-of-order': { statuses: [200, 200], types: ['payment.captured', 'payment.authorised'] },
  forged: { statuses: [401], types: [] },
};

for (const kind of eventKinds) {
  eachDemo(
    `${kind}: the provider is answered, and the page gets what it should, as should one that comes later`,
    async (server, visitor) => {
      const order = await visitor.order();
      const opened = await visitor.open(order);
      await using page = await attach(opened);
      const calls = await visitor.send(order, kind);
      const { statuses, types } = EXPECTED[kind];
      assert.deepEqual(
        calls.map(({ status }) => status),
        statuses,
      );
      // Whatever is not for the page would come before this.
      await server.backEnd.send(opened.id, { type: 'last' });
      await page.until((call) => call.name === 'message' && call.message.type === 'last');
      assert.deepEqual(
        page.messages.map(({ type }) => type),
        [...types, 'last'],
      );
      await using later = await attach(await visitor.open(order), 0);
      assert.deepEqual(later.messages, page.messages);
    },
  );

  eachDemo(`${kind}, before any page has opened the order: kept for it, and there when it comes`, async (_server, visitor) => {
    const order = await visitor.order();
    const calls = await visitor.send(order, kind);
    const { statuses, types } = EXPECTED[kind];
    assert.deepEqual(
      calls.map(({ status }) => status),
      statuses,
    );
    assert.equal((await visitor.trace(order)).transaction, null);
    await using page = await attach(await visitor.open(order));
    assert.deepEqual(
      page.messages.map(({ type }) => type),
      types,
    );
  });
}

test('a call is told as it went over the wire: address, signed headers, body, answer, time', async () => {
  await using server = await startServer({ demo: true });
  const visitor = new Visitor(server.url);
  const order = await visitor.order();
  const { amount } = await visitor.trace(order);
  const [call] = await visitor.send(order, 'failure');
  assert.ok(call !== undefined);
  assert.equal(call.url, `${server.url}/webhooks/demo-provider`);
  assert.match(call.headers['webhook-id'] ?? '', /^evt_[0-9a-f]{32}$/);
  assert.match(call.headers['webhook-signature'] ?? '', /^v1,[A-Za-z0-9+/]{43}=$/);
  assert.ok(Math.abs(Number(call.headers['webhook-timestamp']) * 1000 - Date.parse(call.sentAt)) < 2_000);
  const { type, data }: { type: string; data: Record<string, unknown> } = JSON.parse(call.body);
  assert.equal(type, 'payment.declined');
  assert.deepEqual(
    { reference: data['reference'], amount: data['amount'], currency: data['currency'], reason: data['reason'] },
    { reference: order, amount, currency: 'EUR', reason: 'insufficient funds' },
  );
  assert.equal(call.answer, '{}');
  assert.ok(call.tookMs >= 0);
  // No secret of the provider is in what a page can ask for.
  assert.doesNotMatch(JSON.stringify(call), /whsec_/);
});

eachDemo(
  'a duplicate is one event sent twice, a forged one differs from a good one in its signature only',
  async (_server, visitor) => {
    const order = await visitor.order();
    const [first, second] = await visitor.send(order, 'duplicate');
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(first.headers['webhook-id'], second.headers['webhook-id']);
    assert.equal(first.body, second.body);
    const [forged] = await visitor.send(order, 'forged');
    assert.ok(forged !== undefined);
    assert.deepEqual(Object.keys(forged.headers), Object.keys(first.headers));
    assert.match(forged.answer, /"code":"bad_signature"/);
  },
);

eachDemo('nothing crosses: of two orders, each page gets its own', async (_server, visitor) => {
  const orders = [await visitor.order(), await visitor.order()] as const;
  await using a = await attach(await visitor.open(orders[0]));
  await using b = await attach(await visitor.open(orders[1]));
  await visitor.send(orders[0], 'success');
  await visitor.send(orders[1], 'failure');
  await a.until((call) => call.name === 'message');
  await b.until((call) => call.name === 'message');
  const seen = [a, b].map(({ messages }) => messages.map(({ type, data }) => [type, Reflect.get(Object(data), 'reference')]));
  assert.deepEqual(seen, [[['payment.captured', orders[0]]], [['payment.declined', orders[1]]]]);
});

eachDemo('the receipt goes from stored to handled, with the reply of the page', async (_server, visitor) => {
  const order = await visitor.order();
  const opened = await visitor.open(order);
  await visitor.send(order, 'success');
  const [stored] = (await visitor.trace(order)).messages;
  assert.deepEqual([stored?.status, stored?.attempts, stored?.handledAt], ['stored', 0, undefined]);
  await using _page = await attach(opened);
  await eventually('the message is handled', async () => (await visitor.trace(order)).messages[0]?.status === 'handled');
  const { transaction, messages } = await visitor.trace(order);
  assert.equal(transaction?.connections[0]?.transport, 'WebSockets');
  const [handled] = messages;
  assert.equal(handled?.attempts, 1);
  assert.deepEqual(handled?.reply, { shown: 'payment.captured' });
  const times = [handled?.time, handled?.deliveredAt, handled?.handledAt].map((time) => Date.parse(time ?? ''));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('after a restart, orders, their messages and a provider with a new secret go on', async () => {
  await using folder = await temporaryFolder();
  const store = `sqlite:${folder.path}/ringback.db`;
  const order = await (async () => {
    await using server = await startServer({ demo: true, store });
    const visitor = new Visitor(server.url);
    const made = await visitor.order();
    await visitor.open(made);
    await visitor.send(made, 'authorised');
    return made;
  })();
  await using server = await startServer({ demo: true, store });
  const visitor = new Visitor(server.url);
  assert.deepEqual(
    (await visitor.send(order, 'success')).map(({ status }) => status),
    [200],
  );
  await using page = await attach(await visitor.open(order));
  assert.deepEqual(
    page.messages.map(({ type }) => type),
    ['payment.authorised', 'payment.captured'],
  );
});
