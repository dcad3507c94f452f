/** The whole way of a webhook, on the real mailbox, without HTTP. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { RingbackError } from '../../src/errors.ts';
import { silentLogger } from '../../src/logger.ts';
import { parseConfiguration, type RingbackConfiguration } from '../../src/server/configuration.ts';
import { openCore, type Core } from '../../src/server/core.ts';
import { WebhookReceiver, type Received } from '../../src/webhooks/receiver.ts';
import type { WebhookSource } from '../../src/webhooks/source.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { distinct, newSecret, signedBy, source } from './provider.ts';

const SECRET = newSecret();
const DAY_MS = 86_400_000;

class World implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly core: Core;
  readonly receiver: WebhookReceiver;

  private constructor(clock: ManualClock, core: Core, receiver: WebhookReceiver) {
    this.clock = clock;
    this.core = core;
    this.receiver = receiver;
  }

  static async open(
    sources: readonly WebhookSource[] = [source([SECRET])],
    limits: RingbackConfiguration['limits'] = {},
  ): Promise<World> {
    const clock = new ManualClock();
    const configuration = parseConfiguration({ store: 'memory:', limits });
    const core = await openCore(configuration, { clock, logger: silentLogger });
    const receiver = new WebhookReceiver({ sources, mailbox: core.mailbox, limits: configuration.limits, clock });
    return new World(clock, core, receiver);
  }

  /** The event, signed now. */
  receive(body: unknown, { id = 'msg_1', name = 'acme', secret = SECRET } = {}): Promise<Received> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const headers = distinct(signedBy(secret, { id, at: this.clock.now(), body: text }));
    return this.receiver.receive(name, { headers, body: Buffer.from(text) });
  }

  async openTransaction(reference?: string, ttlMs = DAY_MS): Promise<string> {
    return (await this.core.transactions.open({ ttlMs, reference })).id;
  }

  async messages(id: string): Promise<unknown[]> {
    const { messages } = await this.core.mailbox.read(id, { after: 0, limit: 100 });
    return messages.map(({ sequence, type, data }) => [sequence, type, data]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.core.close();
  }
}

const paid = (reference: unknown): unknown => ({ type: 'paid', data: { reference } });

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RingbackError, String(error));
    assert.equal(error.code, code);
    return true;
  };
}

test('an event reaches the transaction with its reference, and the one with its id', async () => {
  await using world = await World.open();
  const id = await world.openTransaction('order-7');
  assert.equal((await world.receive(paid('order-7'), { id: 'a' })).outcome, 'stored');
  assert.equal((await world.receive(paid(id), { id: 'b' })).outcome, 'stored');
  assert.deepEqual(await world.messages(id), [
    [1, 'paid', '{"reference":"order-7"}'],
    [2, 'paid', `{"reference":"${id}"}`],
  ]);
});

test('an event that comes before its transaction is its first message', async () => {
  await using world = await World.open();
  assert.equal((await world.receive(paid('order-7'), { id: 'a' })).outcome, 'parked');
  assert.equal((await world.receive(paid('order-8'), { id: 'b' })).outcome, 'parked');
  const id = await world.openTransaction('order-7');
  assert.equal((await world.receive(paid('order-7'), { id: 'c' })).outcome, 'stored');
  assert.deepEqual(await world.messages(id), [
    [1, 'paid', '{"reference":"order-7"}'],
    [2, 'paid', '{"reference":"order-7"}'],
  ]);
});

test('an event is taken once, however often it comes: before, while and after its transaction is there', async () => {
  await using world = await World.open();
  assert.equal((await world.receive(paid('order-7'))).outcome, 'parked');
  assert.equal((await world.receive(paid('order-7'))).outcome, 'duplicate');
  const id = await world.openTransaction('order-7');
  world.clock.advance(299_000);
  assert.equal((await world.receive(paid('order-7'))).outcome, 'duplicate');
  assert.equal((await world.messages(id)).length, 1);
  await world.core.transactions.settle(id);
  assert.equal((await world.receive(paid('order-7'))).outcome, 'duplicate');
  await world.core.transactions.forget(id);
  assert.equal((await world.receive(paid('order-7'))).outcome, 'duplicate');
});

test('two sources may have one event id, and each its own secret', async () => {
  const other = newSecret();
  await using world = await World.open([source([SECRET]), source([other], { name: 'other' })]);
  const id = await world.openTransaction('order-7');
  assert.equal((await world.receive(paid('order-7'))).outcome, 'stored');
  assert.equal((await world.receive(paid('order-7'), { name: 'other', secret: other })).outcome, 'stored');
  await assert.rejects(world.receive(paid('order-7'), { id: 'x', name: 'other' }), failsWith('bad_signature'));
  await assert.rejects(world.receive(paid('order-7'), { name: 'nobody' }), failsWith('not_found'));
  assert.equal((await world.messages(id)).length, 2);
});

test('settled and expired transactions take nothing, and the provider hears the same', async () => {
  await using world = await World.open();
  const settled = await world.openTransaction('settled');
  await world.core.transactions.settle(settled);
  const expired = await world.openTransaction('expired', 1_000);
  world.clock.advance(1_000);
  const open = await world.openTransaction('open');
  const outcomes = [];
  const answers = new Set<unknown>();
  for (const [index, reference] of ['settled', 'expired', settled, expired, 'open', open, 'nobody', 'txn_nobody', 7].entries()) {
    const { outcome, answer } = await world.receive(paid(reference), { id: `event ${index}` });
    outcomes.push(outcome);
    answers.add(answer);
  }
  assert.deepEqual(outcomes, [
    'settled',
    'expired',
    'settled',
    'expired',
    'stored',
    'stored',
    'parked',
    'unroutable',
    'unroutable',
  ]);
  assert.deepEqual([...answers], [{ status: 200, json: '{}' }]);
  assert.deepEqual([await world.messages(settled), await world.messages(expired)], [[], []]);
});

test('a bad signature leaves no trace: the same event, well signed, is new', async () => {
  await using world = await World.open();
  const id = await world.openTransaction('order-7');
  await assert.rejects(world.receive(paid('order-7'), { secret: newSecret() }), failsWith('bad_signature'));
  await assert.rejects(world.receive(paid('later'), { secret: newSecret() }), failsWith('bad_signature'));
  assert.equal((await world.receive(paid('order-7'))).outcome, 'stored');
  assert.equal((await world.messages(id)).length, 1);
  assert.deepEqual(await world.messages(await world.openTransaction('later')), []);
});

test('an event that was refused as too large, or for want of room, is new when it can be taken', async () => {
  await using world = await World.open(undefined, { messageBytes: 40, messagesPerTransaction: 1, parkedMessages: 1 });
  const id = await world.openTransaction('order-7');
  const large = { type: 'paid', data: { reference: 'order-7', text: 'x'.repeat(40) } };
  await assert.rejects(world.receive(large, { id: 'a' }), failsWith('data_too_large'));
  assert.equal((await world.receive(paid('order-7'), { id: 'a' })).outcome, 'stored');
  await assert.rejects(world.receive(paid('order-7'), { id: 'b' }), failsWith('mailbox_full'));
  assert.equal((await world.receive(paid('one'), { id: 'c' })).outcome, 'parked');
  await assert.rejects(world.receive(paid('two'), { id: 'd' }), failsWith('too_many_parked'));
  await world.openTransaction('one');
  assert.equal((await world.receive(paid('two'), { id: 'd' })).outcome, 'parked');
  assert.equal((await world.messages(id)).length, 1);
});

test('a hundred deliveries of one event at the same time are one message', async () => {
  await using world = await World.open();
  const id = await world.openTransaction('order-7');
  const received = await Promise.all(Array.from({ length: 100 }, () => world.receive(paid('order-7'))));
  const outcomes = received.map(({ outcome }) => outcome);
  assert.equal(outcomes.filter((outcome) => outcome === 'stored').length, 1);
  assert.equal(outcomes.filter((outcome) => outcome === 'duplicate').length, 99);
  assert.equal((await world.messages(id)).length, 1);
});

test('whatever goes wrong in the verifier, the request is not verified', async () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  await using world = await World.open([{ ...source([SECRET]), secrets: [publicKey] }]);
  const id = await world.openTransaction('order-7');
  await assert.rejects(world.receive(paid('order-7')), (error) => {
    failsWith('bad_signature')(error);
    assert.ok(error instanceof RingbackError && error.cause instanceof Error);
    return true;
  });
  assert.deepEqual(await world.messages(id), []);
  await using without = await World.open([source([])]);
  await assert.rejects(without.receive(paid('order-7')), failsWith('bad_signature'));
});
