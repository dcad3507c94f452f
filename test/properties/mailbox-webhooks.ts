/** What webhooks can do to mailboxes: reach one, wait for one, come again; also at the moment at which one is opened. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Opened } from '../../src/transactions/transactions.ts';
import { described, isRefusal, refused } from './mailbox-comparison.ts';
import { kind, pick, transactionAt } from './mailbox-kind.ts';
import type { AnyCommand } from './mailbox-kind.ts';
import * as plain from './mailbox-model.ts';
import type { Model } from './mailbox-model.ts';
import type { World } from './mailbox-world.ts';

/** How often each thing became of a webhook; `claimed` and `unclaimed` are about what was parked. */
export const outcomes = new Map<string, number>();

export function noteOutcome(outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

interface Webhook {
  /** Of few, so that many come again. */
  readonly number: number;
  readonly source: string;
  /** A transaction by its id, else this reference. */
  readonly pick: number | undefined;
  readonly reference: string;
  readonly data: string;
}

const webhook: fc.Arbitrary<Webhook> = fc.record({
  number: fc.nat({ max: 25 }),
  source: fc.constantFrom('acme', 'other'),
  pick: fc.option(pick, { nil: undefined, freq: 2 }),
  reference: fc.constantFrom('a', 'b', 'c'),
  data: fc.constantFrom('1', '{"two":2}', JSON.stringify('x'.repeat(60)), JSON.stringify('x'.repeat(150))),
});

export const webhookKinds: readonly (readonly AnyCommand[])[] = [
  kind('webhook', {
    weight: 8,
    args: webhook,
    run: async (model, world, one) => receive(model, world, [one]),
  }),

  kind('webhooks together', {
    weight: 3,
    args: fc.array(webhook, { minLength: 2, maxLength: 5 }),
    run: receive,
  }),

  kind('webhooks as their transaction is opened', {
    weight: 3,
    args: fc.record({
      before: fc.array(webhook, { maxLength: 3 }),
      after: fc.array(webhook, { maxLength: 3 }),
      reference: fc.constantFrom('a', 'b'),
    }),
    async run(model, world, { before, after, reference }) {
      const ttlMs = 90_000;
      const first = ask(model, world, before);
      const opening = world.transactions.open({ ttlMs, reference });
      // It may be refused before anybody awaits it.
      opening.catch(() => undefined);
      const then = ask(model, world, after);
      await compare(model, first);
      await compareOpened(model, world, { ttlMs, reference, opening, isRead: false });
      await compare(model, then);
      const transaction = model.transactions.at(-1);
      // Neither is known before all of this is done: what it begins with, and which ids that has.
      if (transaction?.reference === reference) await adoptIds(transaction, world);
    },
  }),
];

interface Opening {
  readonly ttlMs: number;
  readonly reference: string | undefined;
  readonly opening: Promise<Opened>;
  /** Whether to look now at what it begins with. Default: true. */
  readonly isRead?: boolean;
}

/** That a transaction was opened as the model says, and with what waited for it. */
export async function compareOpened(
  model: Model,
  world: World,
  { ttlMs, reference, opening, isRead = true }: Opening,
): Promise<void> {
  const refusal = model.refusal(reference);
  if (refusal !== undefined) return refused(opening, refusal);
  const { id, token, expiresAt } = await opening;
  assert.equal(expiresAt, model.now + ttlMs);
  const transaction = new plain.ModelTransaction(model, { id, tokenId: token.id, ttlMs, reference });
  model.transactions.push(transaction);
  if (reference === undefined) return;
  for (const parked of model.parkedFor(reference)) {
    transaction.store('', parked);
    noteOutcome('claimed');
  }
  model.claim(reference);
  if (isRead) await adoptIds(transaction, world);
}

/** The ids of messages that were parked are told to nobody before they are read. */
async function adoptIds(transaction: plain.ModelTransaction, world: World): Promise<void> {
  const { messages } = await world.mailbox.read(transaction.id, { after: 0, limit: 100 });
  assert.equal(messages.length, transaction.messages.length);
  for (const [index, message] of transaction.messages.entries()) {
    const real = messages[index];
    assert.ok(real);
    if (message.id === '') transaction.rename(message, real.id);
    assert.deepEqual(described(real), described(message));
    if (message.storedAt !== undefined) assert.equal(real.storedAt, message.storedAt);
  }
}

type Asked = readonly { readonly event: plain.ModelEvent; readonly answer: ReturnType<World['mailbox']['receive']> }[];

async function receive(model: Model, world: World, webhooks: readonly Webhook[]): Promise<void> {
  await compare(model, ask(model, world, webhooks));
}

/** All in one turn, which a store may commit together. */
function ask(model: Model, world: World, webhooks: readonly Webhook[]): Asked {
  return webhooks.map(({ number, source, pick: index, reference, data }) => {
    const isById = index !== undefined && model.transactions.length > 0;
    const recipient = isById ? { transactionId: transactionAt(model, index).id } : { reference };
    const event = { hash: `${model.begunAt} ${number}`, source, recipient, type: 'webhook', data };
    const answer = world.mailbox.receive({ eventHash: event.hash, source, recipient, type: event.type, data });
    // It may be refused before anybody awaits it.
    answer.catch(() => undefined);
    return { event, answer };
  });
}

async function compare(model: Model, asked: Asked): Promise<void> {
  for (const { event, answer } of asked) {
    const expected = model.receive(event);
    noteOutcome(expected.outcome === 'refused' ? expected.code : expected.outcome);
    if (expected.outcome === 'refused') {
      await assert.rejects(answer, isRefusal(expected.code));
      continue;
    }
    const result = await answer;
    if (expected.outcome !== 'stored') {
      const { outcome } = expected;
      const transactionId = 'transactionId' in expected ? expected.transactionId : undefined;
      assert.deepEqual(result, transactionId === undefined ? { outcome } : { outcome, transactionId });
      continue;
    }
    assert.ok(result.outcome === 'stored', `expected stored, not ${result.outcome}`);
    const message = expected.transaction.store(result.message.id, event);
    assert.deepEqual(described(result.message), described(message));
    assert.equal(result.message.transactionId, expected.transaction.id);
  }
}
