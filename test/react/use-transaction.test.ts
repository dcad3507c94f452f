/** The hook in real Chromium, with react-dom in StrictMode, against a real server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import type { WireOpened } from '../../src/index.ts';
import { inBrowser, testBrowser } from '../fixtures/browser/browser.ts';
import { eventually } from '../fixtures/eventually.ts';
import { View, type ViewProps } from './page/view.ts';
import { bundle } from '../fixtures/browser/bundle.ts';
import { SCENE, startSite, type Site } from './site.ts';

const browser = testBrowser();
let script = '';
let site: Site;

before(async () => {
  script = await bundle(SCENE, { mode: 'development' });
  site = await startSite(script);
});
after(() => site[Symbol.asyncDispose]());

const show = (page: Page, ...views: ViewProps[]): Promise<void> => page.evaluate(`scene.show(${JSON.stringify(views)})`);
const calls = (page: Page): Promise<unknown> => page.evaluate('scene.calls');

/** The view says so by now or will. */
async function says(page: Page, name: string, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) await page.locator(`[data-view=${name}]`).getByText(line, { exact: true }).waitFor();
}

async function connections(opened: WireOpened): Promise<string[]> {
  return (await site.backEnd.transaction(opened.id)).connections.map(({ id }) => id);
}

test('StrictMode: one connection, each message handled once, the reply reaches the sender', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const negotiations: string[] = [];
  page.on('request', (request) => request.url().includes('/negotiate') && negotiations.push(request.url()));
  const opened = await site.ringback.open();
  await site.ringback.send(opened.id, { type: 'note', data: 1 });
  await show(page, { name: 'a', opened, handler: 'reply' });
  await says(page, 'a', 'open: note=1', 'latest note 1');
  const sent = await site.ringback.send(opened.id, { type: 'note', data: 2, waitSeconds: 20 });
  assert.partialDeepStrictEqual(sent, { status: 'handled', reply: { by: 'a', version: 1 } });
  await says(page, 'a', 'open: note=1 note=2', 'latest note 2');
  assert.deepEqual(await calls(page), ['a1:1', 'a1:2']);
  assert.equal(negotiations.length, 1);
  assert.equal((await connections(opened)).length, 1);
});

test('components of one transaction share its connection; each is called, the first reply counts', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(
    page,
    { name: 'a', opened, handler: 'silent' },
    { name: 'b', opened, handler: 'reply' },
    { name: 'c', opened, handler: 'reply' },
    { name: 'd', opened },
  );
  for (const name of ['a', 'b', 'c', 'd']) await says(page, name, 'open: ');
  const sent = await site.ringback.send(opened.id, { type: 'paid', data: null, waitSeconds: 20 });
  assert.partialDeepStrictEqual(sent, { status: 'handled', reply: { by: 'b' } });
  for (const name of ['a', 'b', 'c', 'd']) await says(page, name, 'open: paid=null');
  assert.deepEqual(await calls(page), ['a1:1', 'b1:1', 'c1:1']);
  assert.equal((await connections(opened)).length, 1);
});

test('a message that one component cannot handle comes again, for that one only', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(page, { name: 'a', opened, handler: 'silent' }, { name: 'b', opened, handler: 'fail-once' });
  await says(page, 'b', 'open: ');
  const sent = await site.ringback.send(opened.id, { type: 'note', data: 1, waitSeconds: 20 });
  assert.equal(sent.status, 'handled');
  assert.equal((await site.backEnd.receipt(opened.id, sent.id)).attempts, 2);
  assert.deepEqual(await calls(page), ['a1:1', 'b1:1', 'b1:1']);
});

test('the connection stays until the last component has gone, and then ends', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(page, { name: 'a', opened }, { name: 'b', opened });
  await says(page, 'a', 'open: ');
  const before = await connections(opened);
  await show(page, { name: 'b', opened });
  await site.ringback.send(opened.id, { type: 'note', data: 1 });
  await says(page, 'b', 'open: note=1');
  // Another component takes the place of the last one: still the same connection.
  await show(page, { name: 'c', opened });
  await says(page, 'c', 'open: note=1');
  assert.deepEqual(await connections(opened), before);
  await show(page);
  await eventually('the connection is gone', async () => (await connections(opened)).length === 0);
  // And back: everything is shown again.
  await show(page, { name: 'd', opened });
  await says(page, 'd', 'open: note=1');
});

test('a component that comes back while its message is being handled is not handed it again', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(page, { name: 'a', opened, handler: 'hold' });
  await says(page, 'a', 'open: ');
  const sent = await site.ringback.send(opened.id, { type: 'note', data: 1 });
  await page.waitForFunction('scene.calls.length === 1');
  await show(page);
  await page.waitForFunction('document.querySelector("[data-view]") === null');
  await show(page, { name: 'a', opened, handler: 'silent', version: 2 });
  await says(page, 'a', 'open: note=1');
  assert.deepEqual(await calls(page), ['a1:1']);
  await page.evaluate('scene.release()');
  await eventually('handled', async () => (await site.backEnd.receipt(opened.id, sent.id)).status === 'handled');
  assert.deepEqual(await calls(page), ['a1:1']);
});

test('null connects to nothing; another transaction switches over', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  const [first, second] = [await site.ringback.open(), await site.ringback.open()];
  await site.ringback.send(first.id, { type: 'note', data: 'of the first' });
  await site.ringback.send(second.id, { type: 'paid', data: 'of the second' });
  await show(page, { name: 'a', opened: null, handler: 'silent' });
  await says(page, 'a', 'connecting: ', 'latest note undefined');
  assert.deepEqual(requests, []);
  await show(page, { name: 'a', opened: first, handler: 'silent' });
  await says(page, 'a', 'open: note="of the first"');
  await show(page, { name: 'a', opened: second, handler: 'silent' });
  await says(page, 'a', 'open: paid="of the second"', 'latest note undefined');
  await eventually('the first connection is gone', async () => (await connections(first)).length === 0);
  assert.equal((await connections(second)).length, 1);
  await show(page, { name: 'a', opened: null, handler: 'silent' });
  await says(page, 'a', 'connecting: ');
  await eventually('the second connection is gone', async () => (await connections(second)).length === 0);
});

test('a new handler is called from its first rendering on, on the same connection', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(page, { name: 'a', opened, handler: 'reply' });
  await says(page, 'a', 'open: ');
  const before = await connections(opened);
  for (const version of [1, 2, 3]) {
    await show(page, { name: 'a', opened: { ...opened }, handler: 'reply', version });
    const sent = await site.ringback.send(opened.id, { type: 'note', data: version, waitSeconds: 20 });
    assert.partialDeepStrictEqual(sent, { reply: { version } });
  }
  assert.deepEqual(await calls(page), ['a1:1', 'a2:2', 'a3:3']);
  assert.deepEqual(await connections(opened), before);
});

test('a fresh token changes nothing until the one in use is revoked, and then goes on', inBrowser, async () => {
  await using visitor = await browser.visitor();
  visitor.allow(/401/);
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await show(page, { name: 'a', opened, handler: 'silent' });
  await site.ringback.send(opened.id, { type: 'note', data: 1 });
  await says(page, 'a', 'open: note=1');
  const before = await connections(opened);
  const fresh = { ...opened, ...(await site.ringback.addToken(opened.id)) };
  await show(page, { name: 'a', opened: fresh, handler: 'silent' });
  await site.ringback.send(opened.id, { type: 'note', data: 2 });
  await says(page, 'a', 'open: note=1 note=2');
  assert.deepEqual(await connections(opened), before);
  await site.ringback.revokeToken(opened.id, opened.tokenId);
  await site.ringback.send(opened.id, { type: 'note', data: 3 });
  await says(page, 'a', 'open: note=1 note=2 note=3');
  assert.notDeepEqual(await connections(opened), before);
  // Revoked first, fresh afterwards.
  await site.ringback.revokeToken(opened.id, fresh.tokenId);
  await says(page, 'a', 'revoked: note=1 note=2 note=3');
  const last = { ...opened, ...(await site.ringback.addToken(opened.id)) };
  await show(page, { name: 'a', opened: last, handler: 'silent' });
  await says(page, 'a', 'open: note=1 note=2 note=3');
  assert.deepEqual(await calls(page), ['a1:1', 'a1:2', 'a1:3']);
});

test('a settled transaction is shown with all its messages', inBrowser, async () => {
  await using visitor = await browser.visitor();
  const page = await visitor.page(site.url);
  const opened = await site.ringback.open();
  await site.ringback.send(opened.id, { type: 'paid', data: 1 });
  await site.ringback.settle(opened.id);
  await show(page, { name: 'a', opened, handler: 'silent' });
  await says(page, 'a', 'settled: paid=1');
});

test('what a server rendered is taken over without a mismatch, and goes on from there', inBrowser, async () => {
  let html = '';
  await using rendering = await startSite(script, () => html);
  await using visitor = await browser.visitor();
  const opened = await rendering.ringback.open();
  await rendering.ringback.send(opened.id, { type: 'note', data: 1 });
  const view: ViewProps = { name: 'a', opened, handler: 'silent' };
  html = renderToString(createElement(View, { ...view, scene: { calls: [], held: () => Promise.resolve() } }));
  const page = await visitor.page(rendering.url);
  await says(page, 'a', 'connecting: ');
  await page.evaluate(`scene.hydrate(${JSON.stringify([view])})`);
  await says(page, 'a', 'open: note=1');
  assert.deepEqual(await calls(page), ['a1:1']);
  assert.equal((await rendering.backEnd.transaction(opened.id)).connections.length, 1);
});
