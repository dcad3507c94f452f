/** The demo shop's back end: orders that need no memory, and their transactions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOrderNumber, orderOf } from '../../src/server/demo/order-number.ts';
import { request } from '../fixtures/http-api.ts';
import { startServer } from '../fixtures/server.ts';
import { eachDemo } from './each-demo.ts';
import { attach, Visitor } from './visitor.ts';

test('order numbers are all different, say the same each time, and differ in what was ordered', () => {
  const numbers = Array.from({ length: 1_000 }, newOrderNumber);
  assert.equal(new Set(numbers).size, numbers.length);
  const items = new Set<string>();
  for (const number of numbers) {
    const order = orderOf(number);
    assert.ok(order !== undefined, number);
    assert.deepEqual(orderOf(number), order);
    items.add(order.item.name);
  }
  assert.ok(items.size >= 4);
});

test('a number with one letter changed is no order, but for few', () => {
  const letters = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
  let taken = 0;
  let looked = 0;
  for (let i = 0; i < 50; i++) {
    const number = newOrderNumber();
    for (let at = 3; at < number.length; at++) {
      if (number[at] === '-') continue;
      const other = letters[(letters.indexOf(number.charAt(at)) + 1) % letters.length];
      looked++;
      if (orderOf(number.slice(0, at) + other + number.slice(at + 1)) !== undefined) taken++;
    }
  }
  assert.equal(looked, 500);
  assert.ok(taken < 50, `${taken} of ${looked} mistyped numbers were taken`);
});

test('a new order has a number, an item and an amount, and no transaction yet', async () => {
  await using server = await startServer({ demo: true });
  const { status, body, headers } = await request('POST', `${server.url}/demo/orders`, { origin: server.url, json: {} });
  assert.equal(status, 201);
  assert.equal(headers.get('cache-control'), 'no-store');
  const visitor = new Visitor(server.url);
  const trace = await visitor.trace(String(Reflect.get(Object(body), 'order')));
  assert.deepEqual(trace, { ...Object(body), transaction: null, messages: [] });
  assert.match(trace.order, /^LC-[2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5}$/);
  assert.ok(Number.isInteger(trace.amount) && trace.amount > 0);
});

eachDemo(
  'the transaction has the order as its reference; the page gets its token and where to connect, and no callback URL',
  async (server, visitor) => {
    const order = await visitor.order();
    const opened = await visitor.open(order);
    assert.deepEqual(Object.keys(opened).toSorted(), ['accessToken', 'createdAt', 'hubUrl', 'id', 'tokenId']);
    const { reference, createdAt } = await server.backEnd.transaction(opened.id);
    assert.deepEqual({ reference, createdAt }, { reference: order, createdAt: opened.createdAt });
    const { transaction } = await visitor.trace(order);
    assert.equal(transaction?.id, opened.id);
  },
);

eachDemo('pages that open one order at once get tokens of their own for one transaction', async (_server, visitor) => {
  const order = await visitor.order();
  const all = await Promise.all(Array.from({ length: 8 }, () => visitor.open(order)));
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.equal(new Set(all.map(({ accessToken }) => accessToken)).size, 8);
  await visitor.send(order, 'success');
  for (const opened of all) {
    await using page = await attach(opened);
    // Each is good; what was acked before is not sent again to a page without a position.
    assert.equal(page.calls.at(-1)?.name, 'caughtUp');
  }
});

eachDemo(
  'a settled order says so; a page that opens it then still gets its messages, and no second transaction is made',
  async (_server, visitor) => {
    const order = await visitor.order();
    const first = await visitor.open(order);
    await visitor.send(order, 'success');
    assert.deepEqual(await visitor.settle(order), { state: 'settled' });
    const second = await visitor.open(order);
    assert.equal(second.id, first.id);
    const { transaction, messages } = await visitor.trace(order);
    assert.deepEqual([transaction?.state, messages.length], ['settled', 1]);
    // Taken, as providers want it, and kept nowhere.
    assert.deepEqual(
      (await visitor.send(order, 'failure')).map(({ status }) => status),
      [200],
    );
    assert.equal((await visitor.trace(order)).messages.length, 1);
  },
);

eachDemo('of an order with many messages the newest are told', async (server, visitor) => {
  const order = await visitor.order();
  const { id } = await visitor.open(order);
  for (let i = 1; i <= 60; i++) await server.backEnd.send(id, { type: 'note', data: i });
  const { messages } = await visitor.trace(order);
  assert.deepEqual(
    messages.map(({ sequence }) => sequence),
    Array.from({ length: 50 }, (_, i) => i + 11),
  );
});

test('bad requests are named: an unknown order, a wrong kind, a field or query that is not known, a body too large', async () => {
  await using server = await startServer({ demo: true });
  const visitor = new Visitor(server.url);
  const order = await visitor.order();
  const cases: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ['GET', '/demo/orders/LC-22222-22222', undefined, 404, /"not_found".*no order with this number/],
    ['GET', '/demo/orders/txn_1', undefined, 404, /"not_found"/],
    ['POST', '/demo/orders/nothing/transaction', {}, 404, /"not_found"/],
    ['POST', '/demo/orders/nothing/events', { kind: 'success' }, 404, /"not_found"/],
    ['POST', '/demo/orders/nothing/settle', {}, 404, /"not_found"/],
    ['POST', `/demo/orders/${order}/settle`, {}, 404, /"transaction_not_found"/],
    ['POST', `/demo/orders/${order}/events`, { kind: 'refund' }, 422, /"\/kind"/],
    ['POST', `/demo/orders/${order}/events`, {}, 422, /"\/kind"/],
    ['POST', `/demo/orders/${order}/events`, { kind: 'success', amount: 1 }, 422, /"\/amount"/],
    ['POST', '/demo/orders', { item: 'x' }, 422, /"\/item"/],
    ['GET', `/demo/orders/${order}?limit=1`, undefined, 422, /"\?limit"/],
    ['POST', '/demo/orders', { text: 'x'.repeat(5_000) }, 413, /"body_too_large"/],
    ['DELETE', `/demo/orders/${order}`, undefined, 405, /"method_not_allowed"/],
  ];
  for (const [method, path, json, status, text] of cases) {
    const answer = await request(method, server.url + path, { origin: server.url, json });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.match(answer.text, text);
  }
});
