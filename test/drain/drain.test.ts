/** How a server process ends when it is told to: everybody is answered or sent away to come back, and nothing is lost. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import type { WireOpened } from '../../src/server/wire.ts';
import { Shop } from '../crash/load.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';
import { FrozenPage, halfRequest, StockPage } from './draining.ts';

async function start(folder: string, drainSeconds: number, port = '0'): Promise<ServerProcess> {
  const store = `sqlite:${join(folder, 'ringback.db')}`;
  return ServerProcess.start({ args: ['--port', port, '--store', store, '--drain-seconds', String(drainSeconds)] });
}

async function assertDraining(backEnd: BackEnd, opened: WireOpened): Promise<void> {
  for (const [method, path, json] of [
    ['POST', '/v1/transactions', {}],
    ['POST', '/v1/transactions/txn_any/messages', { type: 'note', data: 1 }],
    ['POST', '/v1/messages:batch', { messages: [{ transaction: 'txn_any', type: 'note', data: 1 }] }],
    ['GET', '/v1/transactions/txn_any', undefined],
    ['GET', '/health/ready', undefined],
  ] as const) {
    const answer = await backEnd.call(method, path, json === undefined ? {} : { json });
    assert.equal(answer.status, 503, `${method} ${path}: ${answer.text}`);
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal(JSON.parse(answer.text).code, 'draining');
    assert.equal(answer.headers.get('connection'), 'close', 'nobody comes again on this connection');
  }
  const alive = await backEnd.call('GET', '/health/live');
  assert.deepEqual([alive.status, alive.headers.get('connection')], [200, 'close']);
  const negotiate = await backEnd.call('POST', '/hub/negotiate?negotiateVersion=1', { bearer: opened.accessToken });
  assert.deepEqual([negotiate.status, negotiate.headers.get('connection')], [503, 'close']);
  assert.match(negotiate.headers.get('retry-after') ?? '', /^\d+$/);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`on ${signal} pages are sent away to come back, senders are answered, and the next process has it all`, async () => {
    await using folder = await temporaryFolder();
    await using server = await start(folder.path, 6);
    const { backEnd } = server;
    const opened = await backEnd.open();
    await using first = await StockPage.open(opened, 'WebSockets');
    await using second = await StockPage.open(opened, 'LongPolling');
    await using third = await StockPage.open(opened, 'ServerSentEvents');
    const handled = await backEnd.send(opened.id, { data: 'handled' });
    await first.untilMessage(1);
    await first.connection.send('ack', 1, 'yes');
    assert.equal((await backEnd.receipt(opened.id, handled.id)).status, 'handled');

    const waiting = backEnd.call('POST', `/v1/transactions/${opened.id}/messages`, {
      headers: { prefer: 'wait=30' },
      json: { type: 'note', data: 'nobody acks this' },
    });
    await Promise.all([first, second, third].map((page) => page.untilMessage(2)));
    const begun = performance.now();
    server.child.kill(signal);
    const answer = await waiting;
    assert.equal(answer.status, 202, answer.text);
    const { id, sequence } = JSON.parse(answer.text);
    assert.equal(sequence, 2);
    // The pages are sent away one after the other: two are still to go.
    await Promise.race([first.reconnecting, second.reconnecting, third.reconnecting]);
    await assertDraining(backEnd, opened);
    await Promise.all([first.reconnecting, second.reconnecting, third.reconnecting]);
    assert.equal(await server.ended(), 0, server.stderr);
    assert.ok(performance.now() - begun < 6_000, 'it ends within its time');

    await using next = await start(folder.path, 1, server.port);
    const meanwhile = await next.backEnd.send(opened.id, { data: 'meanwhile' });
    assert.equal(meanwhile.sequence, 3);
    for (const page of [first, second, third]) page.letReturn();
    await Promise.all([first, second, third].map((page) => page.untilMessage(3)));
    // A stock client keeps no position: it begins at what is acked.
    for (const { messages } of [first, second, third]) {
      assert.deepEqual(
        messages.map((message) => message.sequence),
        [1, 2, 2, 3],
      );
    }
    assert.equal((await next.backEnd.receipt(opened.id, handled.id)).reply, 'yes');
    assert.notEqual((await next.backEnd.receipt(opened.id, id)).status, 'handled');
  });
}

test('a drain under load loses nothing that was answered, and no ack', async () => {
  await using folder = await temporaryFolder();
  await using server = await start(folder.path, 5);
  const shop = await Shop.open(server.backEnd);
  await shop.connect();
  await shop.send(30);
  const sending = shop.sendUntilDeath(4);
  server.child.kill('SIGTERM');
  await sending;
  assert.equal(await server.ended(), 0, server.stderr);
  await shop.disconnected();
  await using _next = await start(folder.path, 1, server.port);
  await shop.verify();
  await shop.leave();
  assert.ok(shop.answered >= 30);
});

test('clients that do not let go cannot keep it beyond its time', async () => {
  await using folder = await temporaryFolder();
  await using server = await start(folder.path, 2);
  const opened = await server.backEnd.open();
  using _frozen = await FrozenPage.open(opened);
  const half = await halfRequest(server.url, API_KEY);
  const begun = performance.now();
  assert.equal(await server.stop(), 0, server.stderr);
  assert.ok(performance.now() - begun < 3_000, `it took ${performance.now() - begun} ms`);
  half.destroy();
});

test('two signals at once are one wish; a later one ends it at once', async () => {
  await using folder = await temporaryFolder();
  await using server = await start(folder.path, 20);
  const opened = await server.backEnd.open();
  await using first = await StockPage.open(opened, 'WebSockets');
  await using second = await StockPage.open(opened, 'WebSockets');
  await using third = await StockPage.open(opened, 'ServerSentEvents');
  server.child.kill('SIGTERM');
  server.child.kill('SIGINT');
  // Of three pages the second is sent away after more than three seconds of the twenty.
  const pages = [first, second, third].map(async (page) => page.reconnecting);
  const gone = await Promise.race(pages.map(async (page, index) => (await page, index)));
  await Promise.race(pages.filter((_page, index) => index !== gone));
  assert.equal((await server.backEnd.call('GET', '/health/live')).status, 200);
  const begun = performance.now();
  assert.equal(await server.stop('SIGTERM'), 128 + 15);
  assert.ok(performance.now() - begun < 1_000);
});

for (const { what, signal, isForAll } of [
  { what: 'SIGTERM for npm', signal: 'SIGTERM', isForAll: false },
  { what: 'Ctrl-C, which all of them get,', signal: 'SIGINT', isForAll: true },
] as const) {
  test(`npm start ends with 0 on ${what} and leaves nothing running`, () => endNpmStart(signal, isForAll));
}

async function endNpmStart(signal: 'SIGTERM' | 'SIGINT', isForAll: boolean): Promise<void> {
  await using folder = await temporaryFolder();
  const store = `sqlite:${join(folder.path, 'ringback.db')}`;
  // A process group of its own, in which whoever is left can be seen.
  const npm = spawn('npm', ['start', '--', '--port', '0', '--store', store], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RINGBACK_API_KEY: API_KEY },
    detached: true,
  });
  const { pid } = npm;
  assert.ok(pid !== undefined);
  const ended = once(npm, 'close');
  const listening = Promise.withResolvers<string>();
  let output = '';
  npm.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const url = /ringback listening on (\S+)\n/.exec(output)?.[1];
    if (url !== undefined) listening.resolve(url);
  });
  npm.stderr.resume();
  ended.then(() => listening.reject(new Error(`npm start ended: ${output}`)), listening.reject);
  try {
    const backEnd = new BackEnd(await listening.promise);
    const opened = await backEnd.open();
    await using page = await StockPage.open(opened, 'WebSockets');
    process.kill(isForAll ? -pid : pid, signal);
    await page.reconnecting;
    assert.deepEqual(await ended, [0, null]);
    assert.throws(() => process.kill(-pid, 0), { code: 'ESRCH' }, 'the whole group is gone');
    await assert.rejects(backEnd.call('GET', '/health/live'));
  } finally {
    if (npm.exitCode === null && npm.signalCode === null) process.kill(-pid, 'SIGKILL');
  }
}
