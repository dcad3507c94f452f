/** `POST /test`: to the browser that waits, if a page of this server has opened the transaction by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API_KEY } from '../fixtures/back-end.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { startServer } from '../fixtures/server.ts';
import { attach, Visitor } from './visitor.ts';

const SHOP = 'https://shop.test';

function send(url: string, json: unknown, bearer?: string): Promise<Answer> {
  return request('POST', `${url}/test`, { json, ...(bearer !== undefined && { bearer }) });
}

test('a message reaches the page that is connected, and the answer names the connection', async () => {
  await using server = await startServer({ demo: true });
  const opened = await new Visitor(server.url).openAnonymously();
  await using page = await attach(opened);
  const { connections } = await server.backEnd.transaction(opened.id);
  const { status, body, headers } = await send(server.url, { transaction: opened.id, type: 'hello', data: { n: [1, null] } });
  assert.equal(status, 202);
  assert.equal(headers.get('cache-control'), 'no-store');
  await page.until((call) => call.name === 'message');
  const [message] = page.messages;
  assert.deepEqual([message?.type, message?.data, message?.sequence], ['hello', { n: [1, null] }, 1]);
  assert.equal(connections.length, 1);
  const ids = connections.map(({ id }) => id);
  assert.deepEqual(body, { id: message?.id, sequence: 1, status: 'stored', duplicate: false, connections: ids });
});

test('without a connection it is kept, and there when the page comes; type and data may be left out', async () => {
  await using server = await startServer({ demo: true });
  const opened = await new Visitor(server.url).openAnonymously();
  const { status, body } = await send(server.url, { transaction: opened.id });
  assert.equal(status, 202);
  assert.deepEqual(Reflect.get(Object(body), 'connections'), []);
  await using page = await attach(opened);
  assert.deepEqual(
    page.messages.map(({ type, data }) => [type, data]),
    [['test', null]],
  );
});

test('every other transaction is unknown here, whatever it is: one answer for all', async () => {
  await using server = await startServer({ demo: true, publicUrl: undefined });
  const visitor = new Visitor(server.url);
  const ofBackEnd = await server.backEnd.open();
  const ofOrder = await visitor.open(await visitor.order());
  const settled = await visitor.openAnonymously();
  await server.backEnd.settle(settled.id);
  const forgotten = await visitor.openAnonymously();
  await server.backEnd.forget(forgotten.id);
  const ids = [ofBackEnd.id, ofOrder.id, settled.id, forgotten.id, 'txn_nobody', '', 'a'.repeat(500)];
  const texts = new Set<string>();
  for (const transaction of ids) {
    const { status, text } = await send(server.url, { transaction });
    assert.equal(status, 404, transaction);
    texts.add(text);
  }
  assert.equal(texts.size, 1);
  for (const { id } of [ofBackEnd, ofOrder]) assert.equal((await server.backEnd.messages(id)).messages.length, 0);
  // An API key may know that it has ended; to a transaction of the back end it is no way either.
  assert.equal((await send(server.url, { transaction: settled.id }, API_KEY)).status, 410);
  assert.equal((await send(server.url, { transaction: ofBackEnd.id }, API_KEY)).status, 404);
});

test('opened by a page of another origin, though a listed one: unknown', async () => {
  await using server = await startServer({ demo: true, allowedOrigins: [SHOP] });
  const { id } = await new Visitor(server.url, { origin: SHOP }).openAnonymously();
  assert.equal((await send(server.url, { transaction: id })).status, 404);
});

test('bad requests are named', async () => {
  await using server = await startServer({ demo: true, limits: { messageBytes: 100 } });
  const { id } = await new Visitor(server.url).openAnonymously();
  const cases: readonly (readonly [unknown, number, RegExp])[] = [
    [{}, 422, /"\/transaction"/],
    [{ transaction: 1 }, 422, /"\/transaction"/],
    [{ transaction: id, type: 'no blanks' }, 422, /"\/type"/],
    [{ transaction: id, message: 'x' }, 422, /"\/message"/],
    [[], 422, /expected object/],
    [{ transaction: id, data: 'x'.repeat(200) }, 413, /"data_too_large"/],
  ];
  for (const [json, status, text] of cases) {
    const answer = await send(server.url, json);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, text);
  }
  assert.equal((await server.backEnd.messages(id)).messages.length, 0);
});
