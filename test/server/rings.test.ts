/** What deliveries cost in notifications between whole servers: counted on the channel of each, in the database itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import type { WireOpened } from '../../src/server/wire.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Page, type PageOptions } from '../fixtures/page.ts';
import { noPostgres, temporaryDatabase, type TemporaryDatabase } from '../fixtures/postgres.ts';
import { startServer, type TestServer } from '../fixtures/server.ts';

const DELIVERIES = 20;

/** So many servers, and an ear at each channel. */
class Exchange implements AsyncDisposable {
  readonly servers: TestServer[] = [];
  readonly #database: TemporaryDatabase;
  readonly #ear: Client;
  /** By channel. */
  readonly #heard = new Map<string, string[]>();

  private constructor(database: TemporaryDatabase) {
    this.#database = database;
    this.#ear = new Client({ connectionString: database.url });
    this.#ear.on('notification', ({ channel, payload = '' }) => {
      if (payload !== '' && payload !== '+') this.#heard.set(channel, [...(this.#heard.get(channel) ?? []), payload]);
    });
  }

  static async start(count: number): Promise<Exchange> {
    const exchange = new Exchange(await temporaryDatabase());
    for (let at = 0; at < count; at++) exchange.servers.push(await startServer({ store: exchange.#database.url }));
    await exchange.#ear.connect();
    const { rows } = await exchange.#ear.query<{ node: string }>('SELECT node FROM ringback.nodes');
    assert.equal(rows.length, count);
    for (const { node } of rows) await exchange.#ear.query(`LISTEN "ringback_${node}"`);
    return exchange;
  }

  server(at: number): TestServer {
    const server = this.servers.at(at);
    assert.ok(server);
    return server;
  }

  /** A page that is known to those who would ring for it, and that has nothing more to be told. It acks by itself. */
  attach(server: TestServer, opened: WireOpened): Promise<Page> {
    return this.attachSilent(server, opened, ({ sequence }, { connection }) => void connection.send('ack', sequence));
  }

  /** The same, which acks when the test does. */
  async attachSilent(
    server: TestServer,
    { id, accessToken }: WireOpened,
    onMessage: PageOptions['onMessage'] = () => undefined,
  ): Promise<Page> {
    const page = await Page.open({ hubUrl: `${server.url}/hub`, accessToken, onMessage });
    await this.registered(id, 1);
    return page;
  }

  /** Waits until so many servers are to be rung for the transaction. */
  registered(id: string, count: number): Promise<void> {
    return eventually(`${count} are registered`, async () => (await this.#countReaders(id)) === count);
  }

  /** How many notifications each node got that is concerned, since the last call; and the bytes of all. */
  async take(): Promise<{ rings: number; receipts: number; nodes: number; bytes: number }> {
    // Notifications come before the answer to what was asked after them.
    await this.#ear.query('SELECT');
    const payloads = [...this.#heard.values()].flat();
    const nodes = this.#heard.size;
    this.#heard.clear();
    const receipts = payloads.filter((payload) => payload.startsWith('r:')).length;
    return { rings: payloads.length - receipts, receipts, nodes, bytes: payloads.join('').length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ear.end();
    await Promise.all(this.servers.map((server) => server.drain()));
    await this.#database[Symbol.asyncDispose]();
  }

  async #countReaders(id: string): Promise<number | undefined> {
    const { rows } = await this.#ear.query<{ count: number }>(
      'SELECT count(*)::integer AS count FROM ringback.readers WHERE transaction_id = $1',
      [id],
    );
    return rows[0]?.count;
  }
}

for (const [count, where, expected] of [
  [1, 'at the only server', 0],
  [2, 'at the server of its sender', 0],
  [2, 'at the other server', 1],
  [4, 'at the server of its sender', 0],
  [4, 'at another server', 1],
] as const) {
  test(`of ${count}, with the page ${where}, a delivery costs ${expected} notifications`, { skip: noPostgres }, async (t) => {
    await using exchange = await Exchange.start(count);
    const { backEnd } = exchange.server(0);
    const opened = await backEnd.open();
    await using page = await exchange.attach(exchange.server(expected === 0 ? 0 : -1), opened);
    await exchange.take();
    for (let n = 1; n <= DELIVERIES; n++) {
      await backEnd.send(opened.id);
      await page.untilMessages(n);
      await eventually('it is handled', async () => (await backEnd.transaction(opened.id)).ackedSequence === n);
    }
    const taken = await exchange.take();
    t.diagnostic(`${count} servers, ${where}: ${DELIVERIES} deliveries with acks, ${JSON.stringify(taken)}`);
    // Of the acks nobody is told, since nobody waits for them.
    assert.deepEqual([taken.rings, taken.receipts, taken.nodes], [expected * DELIVERIES, 0, expected]);
  });
}

test('a sender who waits costs one notification more, back to its server', { skip: noPostgres }, async (t) => {
  await using exchange = await Exchange.start(4);
  const { backEnd } = exchange.server(0);
  await exchange.take();
  for (let n = 1; n <= DELIVERIES; n++) {
    // To another page each time, since a server stays registered for a second; one that is not yet, as the page acks, is not rung:
    // then the patrol, or the sender's own look, tells the sender.
    const opened = await backEnd.open();
    await using page = await exchange.attachSilent(exchange.server(-1), opened);
    const sent = backEnd.send(opened.id, {}, 30);
    await page.untilMessages(1);
    await exchange.registered(opened.id, 2);
    await page.ack(1);
    assert.equal((await sent).status, 'handled');
  }
  const taken = await exchange.take();
  t.diagnostic(`4 servers, ${DELIVERIES} deliveries that are waited for: ${JSON.stringify(taken)}`);
  assert.deepEqual([taken.rings, taken.receipts, taken.nodes], [DELIVERIES, DELIVERIES, 2]);
});

test('what is sent together is rung for together', { skip: noPostgres }, async (t) => {
  await using exchange = await Exchange.start(2);
  const { backEnd } = exchange.server(0);
  const opened = await Promise.all(Array.from({ length: DELIVERIES }, () => backEnd.open()));
  const pages = await Promise.all(opened.map((each) => exchange.attach(exchange.server(1), each)));
  await exchange.take();
  const messages = opened.map(({ id }) => ({ transaction: id, type: 'note', data: 1 }));
  assert.equal((await backEnd.call('POST', '/v1/messages:batch', { json: { messages } })).status, 200);
  await Promise.all(pages.map((page) => page.untilMessages(1)));
  const taken = await exchange.take();
  t.diagnostic(`a batch to ${DELIVERIES} pages: ${JSON.stringify(taken)}`);
  assert.ok(taken.rings >= 1 && taken.rings <= 3, `${taken.rings} notifications`);
  for (const page of pages) await page[Symbol.asyncDispose]();
});
