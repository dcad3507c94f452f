/** The shop with its orders in PostgreSQL, in real Chromium: its page changes when the payment of its README is committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { type } from '../docs/terminal.ts';
import { inBrowser, testBrowser } from '../fixtures/browser/browser.ts';
import { request } from '../fixtures/http-api.ts';
import { noPostgres, sharedPostgres } from '../fixtures/postgres.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blockOf, failedStart, RunningExample } from './running.ts';

const browser = testBrowser();
const inBoth = noPostgres === false ? inBrowser : { skip: noPostgres };

interface Shop extends AsyncDisposable {
  readonly example: RunningExample;
  readonly folder: string;
  /** Of its database. */
  readonly url: string;
}

async function openShop(): Promise<Shop> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const database = stack.use(await (await sharedPostgres()).empty());
  const example = stack.use(await RunningExample.start('outbox', folder.path, 1, { DATABASE_URL: database.url }));
  const moved = stack.move();
  return { example, folder: folder.path, url: database.url, [Symbol.asyncDispose]: () => moved[Symbol.asyncDispose]() };
}

test('the page whose order is paid at the cash desk says so, also after a reload', inBoth, async () => {
  await using shop = await openShop();
  await using payer = await browser.visitor();
  const page = await payer.page(shop.example.url);
  const waiting = page.getByText(/^Waiting for the payment of order-/u);
  const order = /order-\S+/u.exec(await waiting.innerText())?.[0] ?? '';
  const command = blockOf('outbox', 'bash pay').replace('http://127.0.0.1:3000', shop.example.url).replace('order-…', order);
  const { code, printed, stderr } = await type([command], { folder: shop.folder, environment: {} });
  assert.equal(code, 0, stderr);
  assert.equal(printed[0]?.trim(), blockOf('outbox', 'json paid'));
  await page.getByText(`${order} is paid`).waitFor();
  await page.reload();
  await page.getByText(`${order} is paid`).waitFor();
  assert.equal((await request('POST', `${shop.example.url}/payments/${order}`)).status, 404, 'it is paid already');
});

test('where the message is refused, the order stays unpaid', { skip: noPostgres }, async () => {
  await using shop = await openShop();
  const { text } = await request('POST', `${shop.example.url}/orders`);
  const { reference, id }: { reference: string; id: string } = JSON.parse(text);
  const database = new Client({ connectionString: shop.url });
  await database.connect();
  try {
    const isPaid = async (): Promise<unknown> =>
      (await database.query('SELECT paid FROM orders WHERE reference = $1', [reference])).rows[0];
    await database.query('UPDATE ringback.transactions SET settled = true WHERE id = $1', [id]);
    assert.equal((await request('POST', `${shop.example.url}/payments/${reference}`)).status, 500);
    assert.deepEqual(await isPaid(), { paid: false });
    await database.query('UPDATE ringback.transactions SET settled = false WHERE id = $1', [id]);
    assert.equal((await request('POST', `${shop.example.url}/payments/${reference}`)).status, 200);
    assert.deepEqual(await isPaid(), { paid: true });
  } finally {
    await database.end();
  }
});

test('where there is no database, it says so in one line and ends', () => {
  const { status, stderr } = failedStart('outbox', { DATABASE_URL: 'postgres://shop:secret@127.0.0.1:1/shop' });
  const line =
    'cannot use the PostgreSQL database as a store: nothing listens at 127.0.0.1:1 (ECONNREFUSED). DATABASE_URL says where the database is.';
  assert.deepEqual({ status, stderr }, { status: 1, stderr: `${line}\n` });
});
