import { HubConnectionState, type HubConnection } from '@microsoft/signalr';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Message, OpenedTransaction, Transaction } from '../../src/client/index.ts';
import { startServer, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { blocksOf } from './blocks.ts';
import { load, writeSources } from './typescript.ts';

const PAGE = 'docs/client.md';
const blocks = blocksOf(PAGE);
const sources = Object.fromEntries(blocks.map(({ name, code }) => [name, code]));

test('the page has the blocks that are run here', () => {
  assert.deepEqual(Object.keys(sources), ['payment.ts', 'order.ts', 'page.ts']);
});

test('the first sample waits for the payment', async () => {
  await using folder = await temporaryFolder();
  await using server = await startServer();
  writeSources(folder.path, sources);
  const { pay } = await load<{ pay(opened: OpenedTransaction): Promise<unknown> }>(folder.path, 'payment.ts');
  const opened = await server.backEnd.open();
  const paid = pay(opened);
  await server.backEnd.send(opened.id, { type: 'payment.pending' });
  await server.backEnd.send(opened.id, { type: 'payment.succeeded', data: { amount: 4200 } });
  assert.deepEqual(await paid, { amount: 4200 });
});

interface OrderModule {
  follow(opened: OpenedTransaction, show: (messages: readonly Message[]) => void): Transaction;
}

test('the second sample shows every message and replies to the one that it acts on', async (t) => {
  await using folder = await temporaryFolder();
  await using server = await startServer();
  writeSources(folder.path, {
    ...sources,
    'order.ts': (sources['order.ts'] ?? '').replace("fetch('/analytics', ", 'globalThis.analytics('),
  });
  const told: unknown[] = [];
  Object.assign(globalThis, { analytics: (init: { body: string }) => told.push(JSON.parse(init.body)) });
  t.after(() => Reflect.deleteProperty(globalThis, 'analytics'));
  const { follow } = await load<OrderModule>(folder.path, 'order.ts');
  const opened = await server.backEnd.open();
  const shown = new Shown();
  let count = 0;
  const transaction = follow(opened, (messages) => messages.slice(count).forEach((each) => ((count += 1), shown.show(each))));
  await server.backEnd.send(opened.id, { type: 'payment.pending', data: 1 });
  const sent = await server.backEnd.send(opened.id, { type: 'payment.succeeded', data: 2 }, 10);
  assert.deepEqual([sent.status, sent.reply], ['handled', { shown: true }]);
  assert.deepEqual(await shown.data(2), [1, 2]);
  assert.equal(told.length, 1);
  await transaction.close();
});

interface PageModule {
  wait(opened: { hubUrl: string; accessToken: string }, show: (message: unknown) => void): Promise<HubConnection>;
}

/** What was shown, and a way to wait for the next one. */
class Shown {
  readonly #messages: unknown[] = [];
  #changed = Promise.withResolvers<void>();

  readonly show = (message: unknown): void => {
    this.#messages.push(message);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  async data(count: number): Promise<unknown[]> {
    while (this.#messages.length < count) await this.#changed.promise;
    return this.#messages.map((message) =>
      typeof message === 'object' && message !== null && 'data' in message ? message.data : undefined,
    );
  }
}

test('a page with the stock client receives, acks, comes back to a server that was restarted, and stops on a 401', async () => {
  await using folder = await temporaryFolder();
  writeSources(folder.path, sources);
  const page = await load<PageModule>(folder.path, 'page.ts');
  const store = `sqlite:${join(folder.path, 'ringback.db')}`;
  const shown = new Shown();

  const first = await startServer({ store });
  const port = Number(new URL(first.url).port);
  const opened = await first.backEnd.open();
  await first.backEnd.send(opened.id, { data: 'before' });
  const connection = await page.wait(opened, shown.show);
  const ended = new Promise<void>((resolve) => connection.onclose(() => resolve()));
  assert.deepEqual(await shown.data(1), ['before']);
  const sent = await first.backEnd.send(opened.id, { data: 'live' }, 10);
  assert.equal(sent.status, 'handled');
  await first.drain();

  const second = await startServer({ store, port });
  await second.backEnd.send(opened.id, { data: 'after the restart' });
  assert.deepEqual(await shown.data(3), ['before', 'live', 'after the restart']);
  await second.drain();

  await using _stranger: TestServer = await startServer({ port });
  await ended;
  assert.equal(connection.state, HubConnectionState.Disconnected);
});
