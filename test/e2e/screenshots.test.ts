/**
 * The pictures of the README. Made when `RINGBACK_SCREENSHOTS=1` or when one is missing; otherwise they are there, and the pages still
 * have what they show.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { ensureUi } from '../../scripts/build-ui.mjs';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { startServer, type TestServer } from '../fixtures/server.ts';
import { Checkout, DemoApi } from './demo.ts';

const FOLDER = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const MAX_BYTES = 150_000;
const DESK = { width: 1200, height: 800 };
const PHONE = { width: 390, height: 844 };

const browser = testBrowser();
let server: TestServer;
let api: DemoApi;

before(async () => {
  mkdirSync(FOLDER, { recursive: true });
  await ensureUi();
  server = await startServer({ demo: true });
  api = await DemoApi.at(server.url);
});
after(() => server[Symbol.asyncDispose]());

/** The page has these words where somebody sees them, and there is a picture of it. */
async function picture(page: Page, name: string, words: readonly string[]): Promise<void> {
  for (const text of words) await page.getByText(text, { exact: true }).first().waitFor({ state: 'visible' });
  const path = `${FOLDER}${name}.png`;
  if (process.env['RINGBACK_SCREENSHOTS'] === '1' || !existsSync(path)) {
    await page.evaluate('document.fonts.ready');
    await page.screenshot({ path });
  }
  const bytes = readFileSync(path);
  assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
  const size = page.viewportSize();
  assert.deepEqual({ width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }, size, `${name}.png is out of date`);
  assert.ok(bytes.length <= MAX_BYTES, `${name}.png has ${bytes.length} bytes, at most ${MAX_BYTES}`);
}

browserTest('the pictures of a desk: waiting, the provider, paid', async () => {
  await using visitor = await browser.visitor({ viewport: DESK, colorScheme: 'light' });
  const checkout = await Checkout.open(visitor, api);
  await checkout.step('connected');
  await picture(checkout.page, 'checkout-waiting', ['Checkout', 'Waiting for your payment', 'Open the payment provider']);
  const provider = await checkout.provider();
  await provider.send('success');
  await provider.receipts('handled');
  await picture(provider.page, 'provider', ['Payment provider', 'Payment succeeds', 'Forged signature', 'What the sender sees']);
  await checkout.says('paid');
  await checkout.step('handled');
  await picture(checkout.page, 'checkout-paid', ['Checkout', 'Paid', 'What happened']);
});

browserTest('the picture of a phone: paid', async () => {
  await using visitor = await browser.visitor({ viewport: PHONE, colorScheme: 'light' });
  const checkout = await Checkout.open(visitor, api);
  const provider = await checkout.provider();
  await provider.send('success');
  await checkout.says('paid');
  await checkout.step('handled');
  await picture(checkout.page, 'phone', ['Checkout', 'Paid']);
});

test('the README shows one of them at least, and none that is not there', () => {
  const shown = [...readFileSync(README, 'utf8').matchAll(/docs\/images\/([\w-]+\.png)/g)].map(([, name = '']) => name);
  assert.ok(shown.length >= 1);
  for (const name of shown) assert.ok(existsSync(FOLDER + name), name);
});
