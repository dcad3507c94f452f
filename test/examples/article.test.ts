/** The article's system in real Chromium: two visitors, one message, and what its README says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createRingback } from '../../src/index.ts';
import { ROOT } from '../docs/blocks.ts';
import { type } from '../docs/terminal.ts';
import { inBrowser, testBrowser, type Visitor } from '../fixtures/browser/browser.ts';
import { request } from '../fixtures/http-api.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blockOf, RunningExample } from './running.ts';

const browser = testBrowser();

/** Opens the page and waits until it is connected. */
async function visit(visitor: Visitor, url: string) {
  const page = await visitor.page(url);
  await page.getByRole('heading', { name: 'Waiting' }).waitFor();
  return { page, transaction: await page.locator('code').innerText(), messages: page.locator('li') };
}

test('the call of the README reaches the one page whose transaction it names', inBrowser, async () => {
  await using folder = await temporaryFolder();
  await using example = await RunningExample.start('article', folder.path, 1);
  await using alice = await browser.visitor();
  await using bob = await browser.visitor();
  const one = await visit(alice, example.url);
  const other = await visit(bob, example.url);
  assert.notEqual(one.transaction, other.transaction);

  const command = blockOf('article', 'bash test').replace('http://127.0.0.1:3000', example.url);
  const { code, stderr, printed } = await type([command.replace('txn_…', one.transaction)], {
    folder: folder.path,
    environment: {},
  });
  assert.equal(code, 0, stderr);
  const masked = printed[0]?.replace(/(?<="connections":\[")[^"]+/u, '…');
  assert.equal(masked?.trim(), blockOf('article', 'json test prints'));
  await one.messages.getByText('"Hello"', { exact: true }).waitFor();
  const sent = await request('POST', `${example.url}/test`, {
    json: { transaction: other.transaction, message: 'for the other' },
  });
  assert.equal(sent.status, 200);
  await other.messages.getByText('"for the other"').waitFor();
  assert.deepEqual(await one.messages.allInnerTexts(), ['"Hello"']);
  assert.deepEqual(await other.messages.allInnerTexts(), ['"for the other"']);
});

test(
  'what was sent while the page was closed, and before the server was killed, is shown when it is back',
  inBrowser,
  async () => {
    await using folder = await temporaryFolder();
    await using visitor = await browser.visitor();
    const first = await RunningExample.start('article', folder.path, 1);
    const { page, transaction } = await visit(visitor, first.url);
    await page.close();
    const sent = await request('POST', `${first.url}/test`, { json: { transaction, message: { paid: true } } });
    assert.partialDeepStrictEqual(sent.body, { status: 'stored', sequence: 1 });
    await first[Symbol.asyncDispose]();
    await using second = await RunningExample.start('article', folder.path, 1, { PORT: new URL(first.url).port });
    const back = await visit(visitor, second.url);
    assert.equal(back.transaction, transaction);
    await back.messages.getByText('{"paid":true}').waitFor();
    await back.page.close(); // or it would complain that the server is gone
  },
);

test('a transaction id lets in only the visitor whose cookie belongs to it', async () => {
  await using folder = await temporaryFolder();
  await using example = await RunningExample.start('article', folder.path, 1);
  const open = async () => {
    const page = await fetch(example.url);
    const transaction = /txn_[\w-]+/u.exec(await page.text())?.[0] ?? '';
    return { transaction, cookie: page.headers.get('set-cookie')?.split(';', 1)[0] ?? '' };
  };
  const [alice, bob] = [await open(), await open()];
  const connect = async (transaction: string, headers: Record<string, string> = {}): Promise<number> => {
    const url = `${example.url}/hub/negotiate?negotiateVersion=1&transaction=${transaction}`;
    return (await request('POST', url, { headers })).status;
  };
  assert.equal(await connect(alice.transaction, { cookie: alice.cookie }), 200);
  assert.equal(await connect(alice.transaction, { cookie: `other=1; ${alice.cookie}` }), 200);
  for (const [transaction, cookie] of [
    [alice.transaction, ''],
    [alice.transaction, bob.cookie],
    [alice.transaction, 'visit='],
    ['txn_unknown', alice.cookie],
    ['', alice.cookie],
  ] as const) {
    assert.equal(await connect(transaction, { cookie }), 401, `${transaction} with ${cookie}`);
  }
  const unknown = await request('POST', `${example.url}/test`, { json: { transaction: 'txn_unknown', message: 1 } });
  assert.equal(unknown.status, 404);
});

test('the line that moves it to Azure fits into its source; until it works it is refused by name', async () => {
  const diff = blockOf('article', 'diff azure').split('\n');
  const added = diff.filter((line) => line.startsWith('+'));
  assert.equal(added.length, 1);
  const kept = diff.filter((line) => !line.startsWith('+')).map((line) => line.slice(1));
  assert.ok(readFileSync(`${ROOT}examples/article/server.ts`, 'utf8').includes(kept.join('\n')));
  const option = /^\+\s+(\w+):/u.exec(added[0] ?? '')?.[1] ?? '';
  await assert.rejects(
    createRingback({ store: 'memory:', ...{ [option]: 'Endpoint=…' } }),
    new RegExp(`${option}: Azure SignalR`, 'u'),
  );
});
