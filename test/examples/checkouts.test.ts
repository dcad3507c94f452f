/** Each checkout in real Chromium: it waits, the provider of its README pays, it changes; and the same before and after a reload. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBrowser, testBrowser } from '../fixtures/browser/browser.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blockOf, run, RunningExample } from './running.ts';

/** What it prints before the provider's program and its arguments. */
const PAY = 'then pay the order that it shows: npm run -s example ';

/** The program and its arguments, but for the order. */
function provider(example: RunningExample): string[] {
  const line = example.printed[0] ?? '';
  assert.ok(line.startsWith(PAY) && line.endsWith(' <order>'), line);
  return line.slice(PAY.length).split(' ').slice(0, -1);
}

const browser = testBrowser();

for (const name of ['node-http', 'fastify', 'express', 'react-router']) {
  test(`${name}: the page whose order is paid says so, also after a reload, and no other`, inBrowser, async () => {
    await using folder = await temporaryFolder();
    await using example = await RunningExample.start(name, folder.path, 2);
    await using payer = await browser.visitor();
    await using other = await browser.visitor();
    const page = await payer.page(example.url);
    const beside = await other.page(example.url);
    const waiting = page.getByText(/^Waiting for the payment of order-/u);
    const order = /order-\S+/u.exec(await waiting.innerText())?.[0] ?? '';
    await beside.getByText(/^Waiting for the payment of order-/u).waitFor();
    await page.reload();
    await page.getByText(`Waiting for the payment of ${order}`).waitFor();

    const [program = '', url = '', secret = ''] = provider(example);
    assert.equal(blockOf(name, 'text pay'), `npm run -s example ${program} http://127.0.0.1:3000 whsec_… order-…`);
    assert.equal(await run(program, url, secret, order), `${blockOf(name, 'text paid')}\n`);
    await page.getByText(`${order} is paid`, { exact: true }).waitFor();
    await page.reload();
    await page.getByText(`${order} is paid`, { exact: true }).waitFor();
    await beside.reload();
    await beside.getByText(/^Waiting for the payment of order-/u).waitFor();
  });
}

test('an order is paid although the server was killed between, and its page comes back by itself', inBrowser, async () => {
  await using folder = await temporaryFolder();
  await using visitor = await browser.visitor();
  visitor.allow(/Failed to load resource|WebSocket connection/u); // while no server runs
  const first = await RunningExample.start('node-http', folder.path, 2);
  const page = await visitor.page(first.url);
  const order = /order-\S+/u.exec(await page.getByText(/^Waiting for/u).innerText())?.[0] ?? '';
  const [program = '', url = '', secret = ''] = provider(first);
  await first[Symbol.asyncDispose]();
  const environment = { PORT: new URL(first.url).port, ACME_SECRET: secret };
  await using second = await RunningExample.start('node-http', folder.path, 2, environment);
  assert.deepEqual(provider(second), [program, url, secret]);
  assert.equal(await run(program, url, secret, order), `${blockOf('node-http', 'text paid')}\n`);
  await page.getByText(`${order} is paid`, { exact: true }).waitFor();
  await page.close(); // or it would complain that the server is gone
});
