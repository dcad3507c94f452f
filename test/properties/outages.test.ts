/**
 * A store that fails now and then, before or after it did what it was asked for: senders repeat with their key, pages come
 * and go, and in the end everything is as if nothing had failed.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { RingbackError } from '../../src/errors.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Store, StoredMessage } from '../../src/store/store.ts';
import { statusOf } from '../../src/transactions/mailbox.ts';
import { World } from './mailbox-world.ts';
import { type Fault, Unreliable } from './unreliable-store.ts';

const RUNS = process.env['RINGBACK_LONG'] === '1' ? 20_000 : 300;
const seed = Number(process.env['RINGBACK_SEED'] ?? randomInt(2 ** 31));
const LIMITS = {
  openTransactions: 10,
  messagesPerTransaction: 1_000,
  mailboxBytes: 1_000_000,
  retentionMs: 1_000_000,
  parkedMessages: 10,
  parkMs: 1_000_000,
  dedupeMs: 1_000_000,
};
const TTL_MS = 31_536_000_000;
/** After the last fault everything is right again within this time: the longest pause between two tries, and some. */
const RECOVERY_SECONDS = 6;

type Step =
  | 'send'
  | 'a webhook'
  | 'a second passes'
  | 'the page comes back'
  | 'the page acks'
  | 'the page nacks'
  | 'somebody looks';

const faults = fc.array(fc.constantFrom<Fault>('none', 'none', 'before', 'after'), { minLength: 20, maxLength: 60 });
const steps = fc.array(
  fc.constantFrom<Step>(
    'send',
    'send',
    'a webhook',
    'a second passes',
    'the page comes back',
    'the page acks',
    'the page nacks',
    'somebody looks',
  ),
  { minLength: 10, maxLength: 60 },
);

test('whatever the store fails to do, once it is well nothing is lost, doubled or left over', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const seen = { faults: 0, sent: 0 };
  const property = fc.asyncProperty(faults, steps, async (plan, todo) => {
    const scene = await Scene.create(plan);
    for (const step of todo) await scene.do(step);
    seen.faults += scene.faultCount;
    seen.sent += await scene.finish();
  });
  await fc.assert(property, { seed, numRuns: RUNS });
  t.diagnostic(`${seen.sent} sent, ${seen.faults} calls of the store failed`);
  assert.ok(seen.faults > RUNS && seen.sent > RUNS);
});

test('a sender whose every try would meet a fault of the plan comes through all the same', async () => {
  // Found by chance: each try and the looks that it causes go through the plan in step, and the sender's turn is always a fault.
  const [n, b, a] = ['none', 'before', 'after'] as const;
  const scene = await Scene.create([a, n, a, n, b, n, b, b, a, a, b, b, a, n, b, b, a, b, n, a, n]);
  for (let count = 0; count < 10; count++) await scene.do('send');
  assert.equal(await scene.finish(), 10);
});

for (const { what, change, told } of [
  { what: 'a send', change: (world, id) => world.mailbox.append(id, { type: 'note', data: '1' }), told: ['message 1 1'] },
  {
    what: 'a webhook',
    change: (world, id) =>
      world.mailbox.receive({ source: 'acme', eventHash: 'hash', recipient: { transactionId: id }, type: 'note', data: '1' }),
    told: ['message 1 1'],
  },
  { what: 'a settling', change: (world, id) => world.transactions.settle(id), told: ['closed settled', 'end'] },
  { what: 'a forgetting', change: (world, id) => world.transactions.forget(id), told: ['closed forgotten', 'end'] },
  {
    what: 'a revocation',
    change: (world, id, token) => world.transactions.revokeToken(id, token),
    told: ['closed revoked', 'end'],
  },
] satisfies readonly Change[]) {
  test(`${what} that the store did and did not confirm reaches the page`, async () => {
    const unreliable = new Unreliable(['after', ...Array.from({ length: 99 }, () => 'none' as const)]);
    const world = await World.create({
      isDurable: false,
      open: async (clock) => unreliable.around(new MemoryStore({ limits: LIMITS, clock })),
    });
    const { id, token } = await world.transactions.open({ ttlMs: TTL_MS });
    const connection = world.attach({ transactionId: id, tokenId: token.id, after: 0, isWritable: true });
    await world.quiet();
    unreliable.isOn = true;
    await assert.rejects(change(world, id, token.id), { code: 'store_unavailable' });
    await world.quiet();
    assert.deepEqual(world.logOf(connection), ['caughtUp 0', ...told]);
    await world.dispose();
  });
}

interface Change {
  readonly what: string;
  readonly change: (world: World, transactionId: string, tokenId: string) => Promise<unknown>;
  readonly told: readonly string[];
}

class Scene {
  readonly #world: World;
  readonly #transactionId: string;
  readonly #unreliable: Unreliable;
  readonly #ids: string[] = [];
  #connection: string;
  /** What the page had from earlier connections. */
  #before: string[] = [];

  private constructor(world: World, transactionId: string, unreliable: Unreliable) {
    this.#world = world;
    this.#transactionId = transactionId;
    this.#unreliable = unreliable;
    this.#connection = this.#attach();
  }

  static async create(plan: readonly Fault[]): Promise<Scene> {
    const unreliable = new Unreliable(plan);
    let store: Store | undefined;
    const world = await World.create({
      isDurable: false,
      open: async (clock) => (store ??= unreliable.around(new MemoryStore({ limits: LIMITS, clock }))),
    });
    const { id } = await world.transactions.open({ ttlMs: TTL_MS, reference: 'r' });
    unreliable.isOn = true;
    return new Scene(world, id, unreliable);
  }

  get faultCount(): number {
    return this.#unreliable.count;
  }

  async do(step: Step): Promise<void> {
    switch (step) {
      case 'send':
        await this.#send();
        break;
      case 'a webhook':
        await this.#receive();
        break;
      case 'a second passes':
        await this.#world.pass(1_000);
        break;
      case 'the page comes back':
        this.#before = this.#seen;
        this.#world.detach(this.#connection);
        this.#connection = this.#attach();
        break;
      case 'the page acks':
        // Only what came on this connection, so that it is known to have begun.
        if (this.#sentHere > 0) this.#world.attachmentOf(this.#connection).ack(this.#position);
        break;
      case 'the page nacks':
        if (this.#sentHere > 0) this.#world.attachmentOf(this.#connection).nack(this.#position, 'not now');
        break;
      case 'somebody looks':
        await this.#world.transactions.get(this.#transactionId).catch(onlyUnavailable);
        break;
      default:
        step satisfies never;
    }
    await this.#world.quiet();
  }

  /** The store is well again: returns how many messages there are. */
  async finish(): Promise<number> {
    const world = this.#world;
    this.#unreliable.isOn = false;
    for (let second = 0; second < RECOVERY_SECONDS; second++) await world.pass(1_000);
    const last = this.#ids.length;
    if (last > 0) world.attachmentOf(this.#connection).ack(this.#position);
    await world.pass(1_000);
    // A nacked message is excepted from that ack, and needs its own.
    for (let sequence = 1; sequence <= last; sequence++) world.attachmentOf(this.#connection).ack(sequence);
    for (let second = 0; second < RECOVERY_SECONDS; second++) await world.pass(1_000);
    assert.deepEqual(
      [...new Set(this.#sequences)],
      this.#ids.map((_, index) => index + 1),
      'each came, and for the first time in its order',
    );
    const record = await world.transactions.get(this.#transactionId);
    assert.deepEqual([record.lastSequence, record.ackedSequence], [last, last]);
    assert.deepEqual(
      record.connections.map(({ id }) => id),
      [this.#connection],
    );
    for (const id of this.#ids) assert.equal(statusOf(await world.mailbox.receipt(this.#transactionId, id)), 'handled');
    world.detachAll();
    await world.restart();
    assert.deepEqual((await world.transactions.get(this.#transactionId)).connections, []);
    await world.dispose();
    return last;
  }

  /** With one key, until it is answered. */
  async #send(): Promise<void> {
    const sequence = this.#ids.length + 1;
    const letter = { type: 'note', data: String(sequence), key: `key-${sequence}` };
    for (;;) {
      const answer = await this.#world.mailbox.append(this.#transactionId, letter).catch(onlyUnavailable);
      if (answer === undefined) continue;
      assert.equal(answer.message.sequence, sequence);
      this.#ids.push(answer.message.id);
      return;
    }
  }

  /** The same event, until it is answered; then there is one message of it. */
  async #receive(): Promise<void> {
    const sequence = this.#ids.length + 1;
    const recipient = sequence % 2 === 0 ? { reference: 'r' } : { transactionId: this.#transactionId };
    const event = { source: 'acme', eventHash: `event-${sequence}`, recipient, type: 'note', data: String(sequence) };
    let answer: Awaited<ReturnType<World['mailbox']['receive']>> | undefined;
    while (answer === undefined) answer = await this.#world.mailbox.receive(event).catch(onlyUnavailable);
    if (answer.outcome === 'stored') {
      assert.equal(answer.message.sequence, sequence);
      this.#ids.push(answer.message.id);
      return;
    }
    assert.deepEqual(answer, { outcome: 'duplicate', transactionId: this.#transactionId });
    const [message, ...more] = await this.#readAfter(sequence - 1);
    assert.deepEqual([message?.sequence, message?.data, more], [sequence, String(sequence), []]);
    this.#ids.push(message?.id ?? '');
  }

  async #readAfter(after: number): Promise<readonly StoredMessage[]> {
    for (;;) {
      const page = await this.#world.mailbox.read(this.#transactionId, { after, limit: 10 }).catch(onlyUnavailable);
      if (page !== undefined) return page.messages;
    }
  }

  #attach(): string {
    const after = this.#position;
    return this.#world.attach({ transactionId: this.#transactionId, tokenId: undefined, after, isWritable: true });
  }

  get #seen(): string[] {
    return [...this.#before, ...(this.#connection === undefined ? [] : this.#world.logOf(this.#connection))];
  }

  get #sequences(): number[] {
    return this.#seen.filter((call) => call.startsWith('message ')).map((call) => Number(call.split(' ')[1]));
  }

  /** The highest the page has, which it keeps over its connections. */
  get #position(): number {
    return Math.max(0, ...this.#sequences);
  }

  get #sentHere(): number {
    return this.#world.logOf(this.#connection).filter((call) => call.startsWith('message ')).length;
  }
}

function onlyUnavailable(error: unknown): undefined {
  assert.ok(error instanceof RingbackError && error.code === 'store_unavailable', String(error));
  return undefined;
}
