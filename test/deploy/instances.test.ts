/** Two instances on one PostgreSQL behind real balancers: nothing sticks to an instance, and nothing is lost with one. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { WireOpened } from '../../src/server/wire.ts';
import { BackEnd } from '../fixtures/back-end.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Page } from '../fixtures/page.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { ServerProcess, startServer } from '../fixtures/server.ts';
import { allInstalled, Balancer, place, portOf, type BalancerKind } from './balancer.ts';
import type { Unpacked } from '../fixtures/apt.ts';

const PROXY = '127.0.0.1/32';
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;
/** Which instance a page comes to is up to the balancer: so many at least, and so many until there is one at each. */
const LEAST_PAGES = 3;
const MOST_PAGES = 30;
/** Between two messages to a page. */
const PAUSE_MS = 10;
/** How soon a sender tries again what was not taken. */
const AGAIN_MS = 50;

for (const [kind, unpacked] of await allInstalled()) {
  const skip = 'problem' in unpacked ? unpacked.problem : noPostgres;
  const through = (title: string, run: (kind: BalancerKind, unpacked: Unpacked) => Promise<void>): void => {
    test(`${kind.name}: ${title}`, { skip }, async () => {
      assert.ok(!('problem' in unpacked));
      await run(kind, unpacked);
    });
  };
  through('the requests of a page may reach either instance, and its messages and replies find their way', spread);
  through('an instance restarted in order and one that is killed, while messages are sent: none is lost', replaced);
}

async function spread(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  await using at = await place();
  await using database = await temporaryDatabase();
  const options = { store: database.url, publicUrl: at.url, trustedProxies: [PROXY] };
  await using one = await startServer(options);
  await using other = await startServer(options);
  const instances = [portOf(one.url), portOf(other.url)] as const;
  await using _balancer = await Balancer.start({ kind, unpacked, ...at, instances });
  using passed = new PassedOn(instances);
  const backEnd = new BackEnd(at.url);
  for (const transport of TRANSPORTS) {
    const before = passed.count;
    const nodes = new Set<string>();
    await using pages = new AsyncDisposableStack();
    for (let n = 0; n < LEAST_PAGES || (nodes.size < 2 && n < MOST_PAGES); n++) {
      const opened = await backEnd.open();
      const page = pages.use(await openPage(opened, transport));
      for (let k = 1; k <= 3; k++) {
        const { status, reply } = await backEnd.send(opened.id, { data: k }, 20);
        assert.deepEqual([status, reply], ['handled', k]);
      }
      assert.deepEqual(page.sequences, [1, 2, 3]);
      const { connections } = await backEnd.transaction(opened.id);
      for (const { node } of connections) nodes.add(node);
      // With an even number of requests a page, a balancer that takes turns would bring each page to the same instance.
      if (n % 2 === 1) await backEnd.transaction(opened.id);
    }
    assert.equal(nodes.size, 2, `${transport}: pages are at both`);
    assert.equal(
      passed.count > before,
      transport !== 'WebSockets',
      `${transport}: ${passed.count - before} requests were passed on`,
    );
  }
}

function openPage(opened: WireOpened, transport: (typeof TRANSPORTS)[number]): Promise<Page> {
  return Page.open({
    ...opened,
    transport,
    reconnects: 100,
    onMessage: ({ sequence, data }, { connection }) => void connection.send('ack', sequence, data).catch(() => undefined),
  });
}

/** Counts what the servers of this process are asked for the hub on ports of their own: those for peers. */
class PassedOn implements Disposable {
  count = 0;
  readonly #ports: readonly number[];
  readonly #note = (message: unknown): void => {
    const { request }: { request?: IncomingMessage } = Object(message);
    if (request?.url?.startsWith('/hub') === true && !this.#ports.includes(request.socket.localPort ?? 0)) this.count++;
  };

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    subscribe('http.server.request.start', this.#note);
  }

  [Symbol.dispose](): void {
    unsubscribe('http.server.request.start', this.#note);
  }
}

async function replaced(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  await using at = await place();
  await using database = await temporaryDatabase();
  const options = { store: database.url, publicUrl: at.url, trustedProxies: [PROXY], drainSeconds: 2 };
  await using before = await startServer(options);
  const settings = ['--store', database.url, '--public-url', at.url, '--trusted-proxy', PROXY];
  await using killed = await ServerProcess.start({ args: ['--port', '0', ...settings] });
  const port = portOf(before.url);
  await using _balancer = await Balancer.start({ kind, unpacked, ...at, instances: [port, Number(killed.port)] });
  const backEnd = new BackEnd(at.url);
  await using parts = new AsyncDisposableStack();
  const senders: Sender[] = [];
  for (const transport of [...TRANSPORTS, ...TRANSPORTS]) {
    const opened = await backEnd.open();
    const page = parts.use(await openPage(opened, transport));
    senders.push(parts.use(new Sender(backEnd, opened.id, page)));
  }
  const more = (count: number) => Promise.all(senders.map((sender) => sender.handled(count)));
  await more(5);

  await before.drain();
  await more(5);
  if (kind.repeats.includes('keyed send')) assert.deepEqual(refusalsOf(senders), [], 'no sender has noticed the restart');
  await using _after = await startServer({ ...options, port });
  await more(5);

  await killed.stop('SIGKILL');
  await more(10);
  await Promise.all(senders.map((sender) => sender.finish()));
}

function refusalsOf(senders: readonly Sender[]): string[] {
  return senders.flatMap(({ refusals }) => refusals);
}

/** Sends to one page, one message after the other, each message with a key, and again until it is taken. */
class Sender implements AsyncDisposable {
  readonly refusals: string[] = [];
  readonly #backEnd: BackEnd;
  readonly #id: string;
  readonly #page: Page;
  readonly #taken: string[] = [];
  #isFinished = false;
  readonly #run: Promise<void>;

  constructor(backEnd: BackEnd, id: string, page: Page) {
    this.#backEnd = backEnd;
    this.#id = id;
    this.#page = page;
    this.#run = this.#send();
  }

  /** Until the page has had so many more messages. */
  async handled(count: number): Promise<void> {
    await this.#page.untilMessages(this.#page.messages.length + count);
  }

  /** Everything that was taken has been handled, in order, and nothing else has. */
  async finish(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { length } = this.#taken;
    await eventually('all is handled', async () => (await this.#backEnd.transaction(this.#id)).ackedSequence === length);
    const byFirstArrival = [...new Map(this.#page.messages.map(({ sequence, data }) => [sequence, data]))];
    assert.deepEqual(
      byFirstArrival,
      this.#taken.map((key, index) => [index + 1, key]),
    );
    assert.equal((await this.#backEnd.transaction(this.#id)).lastSequence, length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isFinished = true;
    await this.#run;
  }

  async #send(): Promise<void> {
    for (let n = 1; !this.#isFinished; n++) {
      const key = `message-${n}`;
      while (!(await this.#take(key))) {
        if (this.#isFinished) return;
        await setTimeout(AGAIN_MS);
      }
      this.#taken.push(key);
      await setTimeout(PAUSE_MS);
    }
  }

  async #take(key: string): Promise<boolean> {
    const path = `/v1/transactions/${this.#id}/messages`;
    const json = { type: 'note', data: key };
    try {
      const { status, text } = await this.#backEnd.call('POST', path, { json, headers: { 'idempotency-key': key } });
      assert.ok(status === 202 || status >= 502, `${status}: ${text}`);
      if (status !== 202) this.refusals.push(`${status} ${text}`);
      return status === 202;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      // The connection was cut: whether it is kept, the next try will tell.
      this.refusals.push(String(error instanceof Error ? error.cause : error));
      return false;
    }
  }
}
