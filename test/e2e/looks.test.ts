/** The demo's pages for everybody: on a phone and a desk, light and dark, without a mouse, read aloud. */
import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { after, before, suite } from 'node:test';
import type { Page } from 'playwright-core';
import { ensureUi } from '../../scripts/build-ui.mjs';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { startServer, type TestServer } from '../fixtures/server.ts';
import { Checkout, DemoApi, Provider } from './demo.ts';

const browser = testBrowser();
let server: TestServer;
let api: DemoApi;

before(async () => {
  await ensureUi();
  server = await startServer({ demo: true, limits: { anonymousOpensPerMinute: 1000 } });
  api = await DemoApi.at(server.url);
});
after(() => server[Symbol.asyncDispose]());

/** In light and in dark there is nothing that axe finds, and nothing that is wider than the screen. */
async function isFine(page: Page, what: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light' });
  assert.ok((await axe(new AxeBuilder({ page }), `${what}, light`)) >= 20, 'axe looked at little');
  // What else axe looks at is the same in the dark.
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await axe(new AxeBuilder({ page }).withRules('color-contrast'), `${what}, dark`), 1);
  const width = Number(await page.evaluate('document.documentElement.scrollWidth'));
  const shown = Number(await page.evaluate('innerWidth'));
  assert.ok(width <= shown, `${what} is ${width} px wide on a screen of ${shown}`);
}

/** Resolves to how many rules were found to be kept. */
async function axe(builder: AxeBuilder, what: string): Promise<number> {
  const { violations, passes } = await builder.setLegacyMode().analyze();
  const told = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join('; ')}`,
  );
  assert.deepEqual(told, [], what);
  return passes.length;
}

suite('the demo’s pages', { concurrency: 2 }, () => {
  for (const { width, height } of [
    { width: 390, height: 844 },
    { width: 1440, height: 900 },
  ]) {
    browserTest(`are fine at ${width} px, light and dark: waiting, paid, declined, two visitors, the provider`, async () => {
      await using visitor = await browser.visitor({ viewport: { width, height } });
      const checkout = await Checkout.open(visitor, api);
      await checkout.says('waiting');
      await isFine(checkout.page, 'waiting');
      const provider = await checkout.provider();
      await isFine(provider.page, 'the provider before');
      await provider.send('forged', 401);
      await provider.send('success');
      await provider.receipts('handled');
      await isFine(provider.page, 'the provider after');
      await checkout.says('paid');
      await checkout.step('handled');
      await checkout.page.getByTestId('second-visitor').click();
      const second = new Checkout(api, checkout.page, 'b');
      await second.connected();
      await api.send(await second.order(), 'failure');
      await second.says('declined');
      await isFine(checkout.page, 'two visitors, paid and declined');
    });
  }

  browserTest('are used by keyboard alone: to the provider, and pay', async () => {
    await using visitor = await browser.visitor();
    const checkout = await Checkout.open(visitor, api);
    await tabTo(checkout.page, 'provider-link');
    const [page] = await Promise.all([checkout.page.waitForEvent('popup'), checkout.page.keyboard.press('Enter')]);
    const provider = new Provider(page);
    await page.getByTestId('send-success').waitFor();
    await tabTo(page, 'send-success');
    await page.keyboard.press('Enter');
    await provider.receipts('handled');
    await checkout.says('paid');
    await tabTo(checkout.page, 'start-over');
    await checkout.page.keyboard.press('Space');
    await checkout.says('waiting');
  });

  browserTest('say the outcome aloud, once it is there', async () => {
    await using visitor = await browser.visitor();
    const checkout = await Checkout.open(visitor, api);
    const status = checkout.part.getByTestId('outcome').getByRole('status');
    assert.equal(await status.innerText(), '');
    await api.send(await checkout.order(), 'success');
    await status.filter({ hasText: 'Paid' }).waitFor();
    assert.match(await checkout.page.title(), /^Paid/);
  });
});

/** As somebody without a mouse gets there, seeing at each step where they are. */
async function tabTo(page: Page, testId: string): Promise<void> {
  for (let step = 0; step < 50; step++) {
    await page.keyboard.press('Tab');
    const [id, outline] = String(
      await page.evaluate(
        '[document.activeElement.dataset.testid, getComputedStyle(document.activeElement).outlineStyle].join()',
      ),
    ).split(',');
    assert.notEqual(outline, 'none', `the focus on ${id} cannot be seen`);
    if (id === testId) return;
  }
  assert.fail(`${testId} cannot be reached by keyboard`);
}
