/**
 * Webhook, opening and page in every order, and at the same time: the page gets exactly one message. A thousand rounds each
 * way on the mailbox itself, with the reader that every connection has; some more over HTTP with the official client.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { silentLogger } from '../../src/logger.ts';
import { parseConfiguration, type RingbackConfiguration } from '../../src/server/configuration.ts';
import { openCore, type Core } from '../../src/server/core.ts';
import type { StoredMessage } from '../../src/store/store.ts';
import { Attachment, type Reader } from '../../src/transactions/attachment.ts';
import { Expiries } from '../../src/transactions/expiries.ts';
import { WebhookReceiver } from '../../src/webhooks/receiver.ts';
import { sign } from '../../src/webhooks/sign.ts';
import { Page } from '../fixtures/page.ts';
import { startServer, stores, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { microtasks } from '../transactions/attachment-world.ts';
import { deliver, event, SECRET, webhooks } from './delivery.ts';
import { distinct, source } from './provider.ts';

const ROUNDS = 1_000;
const ROUNDS_OVER_HTTP = 10;
const AT_A_TIME = 50;
const HOUR_MS = 3_600_000;

type Step = 'webhook' | 'open' | 'attach';

/** What is begun together is in one list. Nobody can attach before the opening is answered; then it is at once. */
const orders: Readonly<Record<string, readonly (readonly Step[])[]>> = {
  'webhook, open, attach': [['webhook'], ['open'], ['attach']],
  'open, webhook, attach': [['open'], ['webhook'], ['attach']],
  'open, attach, webhook': [['open'], ['attach'], ['webhook']],
  'webhook and open at once, then attach': [['webhook', 'open'], ['attach']],
  'open, then webhook and attach at once': [['open'], ['webhook', 'attach']],
  'all at once': [['webhook', 'open', 'attach']],
};

/** One event, its transaction and its page. */
interface Scene extends AsyncDisposable {
  /** Twice at once, as from a provider that has lost patience. */
  webhook(): Promise<readonly string[]>;
  open(): Promise<void>;
  attach(): Promise<void>;
  /** The types of the messages that the page was given, a last one sent now included. */
  seen(): Promise<readonly string[]>;
}

/** Outcomes of the deliveries. */
async function play(scene: Scene, order: readonly (readonly Step[])[], round: number): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (const together of order) {
    await Promise.all(
      together.map(async (step, index) => {
        // Each at another offset in each round.
        await microtasks(Math.floor(round / 12 ** index) % 12);
        if (step === 'webhook') outcomes.push(...(await scene.webhook()));
        else await scene[step]();
      }),
    );
  }
  assert.deepEqual(await scene.seen(), ['paid', 'last'], `round ${round}`);
  return outcomes;
}

interface Plan {
  readonly rounds: number;
  readonly order: readonly (readonly Step[])[];
  scene(round: number): Scene;
}

async function playAll(t: TestContext, { rounds, order, scene }: Plan): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let played = 0;
  for (let first = 0; first < rounds; first += AT_A_TIME) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, rounds - first) }, async (_, index) => {
      await using each = scene(first + index);
      for (const outcome of await play(each, order, first + index)) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      played++;
    });
    await Promise.all(batch);
  }
  assert.equal(played, rounds);
  t.diagnostic([...counts].map(([outcome, count]) => `${outcome} ${count}`).join(', '));
  return counts;
}

class NotedPage implements Reader {
  readonly isWritable = true;
  readonly types: string[] = [];
  readonly hasLast = Promise.withResolvers<void>();

  deliver({ type }: StoredMessage): boolean {
    this.types.push(type);
    if (type === 'last') this.hasLast.resolve();
    return true;
  }

  caughtUp(): void {}
  closed(): void {}
  end(): void {}
}

class CoreScene implements Scene {
  readonly #core: Core;
  readonly #receiver: WebhookReceiver;
  readonly #reference: string;
  readonly #opened = Promise.withResolvers<string>();
  readonly #page = new NotedPage();
  #attachment: Attachment | undefined;

  constructor(core: Core, receiver: WebhookReceiver, reference: string) {
    this.#core = core;
    this.#receiver = receiver;
    this.#reference = reference;
  }

  async webhook(): Promise<readonly string[]> {
    const body = JSON.stringify(event(this.#reference));
    // By the native code: that of the package costs more than all the rest of a round.
    const signed = sign(SECRET, { id: this.#reference, timestamp: Math.floor(Date.now() / 1000), body });
    const request = { headers: distinct(signed), body: Buffer.from(body) };
    const received = await Promise.all([this.#receiver.receive('acme', request), this.#receiver.receive('acme', request)]);
    return received.map(({ outcome }) => outcome);
  }

  async open(): Promise<void> {
    this.#opened.resolve((await this.#core.transactions.open({ ttlMs: HOUR_MS, reference: this.#reference })).id);
  }

  async attach(): Promise<void> {
    const options = { transactionId: await this.#opened.promise, reader: this.#page };
    this.#attachment = new Attachment(options, { ...this.#core, clock: systemClock, expiries: new Expiries(systemClock) });
    await this.#attachment.begun();
  }

  async seen(): Promise<readonly string[]> {
    await this.#core.mailbox.append(await this.#opened.promise, { type: 'last', data: 'null' });
    await this.#page.hasLast.promise;
    return this.#page.types;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#attachment?.[Symbol.dispose]();
  }
}

class HttpScene implements Scene {
  readonly #server: TestServer;
  readonly #reference: string;
  readonly #opened = Promise.withResolvers<{ id: string; hubUrl: string; accessToken: string }>();
  #page: Page | undefined;

  constructor(server: TestServer, reference: string) {
    this.#server = server;
    this.#reference = reference;
  }

  async webhook(): Promise<readonly string[]> {
    const id = `event of ${this.#reference}`;
    const tell = () => deliver(this.#server.url, event(this.#reference), { id });
    const answers = await Promise.all([tell(), tell()]);
    return answers.map(({ status, text }) => `${status} ${text}`);
  }

  async open(): Promise<void> {
    this.#opened.resolve(await this.#server.backEnd.open({ reference: this.#reference }));
  }

  async attach(): Promise<void> {
    this.#page = await Page.open(await this.#opened.promise);
  }

  async seen(): Promise<readonly string[]> {
    await this.#server.backEnd.send((await this.#opened.promise).id, { type: 'last' });
    await this.#page?.until((call) => call.name === 'message' && call.message.type === 'last');
    return this.#page?.messages.map(({ type }) => type) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page?.[Symbol.asyncDispose]();
  }
}

async function withCore(configuration: RingbackConfiguration, run: (core: Core, receiver: WebhookReceiver) => Promise<void>) {
  const parsed = parseConfiguration(configuration);
  const core = await openCore(parsed, { clock: systemClock, logger: silentLogger });
  try {
    const options = { sources: [source([SECRET])], mailbox: core.mailbox, limits: parsed.limits, clock: systemClock };
    await run(core, new WebhookReceiver(options));
  } finally {
    await core.close();
  }
}

for (const store of stores) {
  for (const [name, order] of Object.entries(orders)) {
    test(`${name}: exactly one message, ${ROUNDS} times (${store.name})`, { timeout: 60_000 }, async (t) => {
      await using folder = await temporaryFolder();
      await withCore(store.at(folder.path), async (core, receiver) => {
        const scene = (round: number): Scene => new CoreScene(core, receiver, `order ${round}`);
        const counts = await playAll(t, { rounds: ROUNDS, order, scene });
        assert.equal(counts.get('duplicate'), ROUNDS);
        assert.equal((counts.get('stored') ?? 0) + (counts.get('parked') ?? 0), ROUNDS);
        const isRace = order.some((together) => together.includes('webhook') && together.includes('open'));
        if (isRace) assert.ok(counts.get('stored') && counts.get('parked'), 'each is first at times');
      });
    });
  }

  test(
    `the same over HTTP, ${ROUNDS_OVER_HTTP} times each way, with the official client (${store.name})`,
    { timeout: 60_000 },
    async (t) => {
      await using folder = await temporaryFolder();
      await using server = await startServer({ ...store.at(folder.path), webhooks });
      for (const [name, order] of Object.entries(orders)) {
        const scene = (round: number): Scene => new HttpScene(server, `${name} ${round}`);
        const counts = await playAll(t, { rounds: ROUNDS_OVER_HTTP, order, scene });
        assert.deepEqual([...counts], [['200 {}', 2 * ROUNDS_OVER_HTTP]]);
      }
    },
  );
}
