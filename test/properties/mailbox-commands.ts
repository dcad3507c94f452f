/** What can happen to a mailbox, done to the real one and to the model alike, and compared after each step. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { kind, pick, transactionAt } from './mailbox-kind.ts';
import type { AnyCommand } from './mailbox-kind.ts';
import { compareOpened, webhookKinds } from './mailbox-webhooks.ts';
import { adoptLosses, compareLogs, compareReceipt, compareStore, described, isRefusal, refused } from './mailbox-comparison.ts';
import * as plain from './mailbox-model.ts';
import type { Model, ModelReader } from './mailbox-model.ts';
import type { World } from './mailbox-world.ts';

const HALF_SECOND_MS = 500;

const hasTransaction = (model: Model): boolean => model.transactions.length > 0;
const hasReader = (model: Model): boolean => model.liveReaders.length > 0;
const sequence = fc.integer({ min: 1, max: 11 });
const reply = fc.option(fc.constantFrom('true', '{"ok":1}'), { nil: undefined });

const data = fc.constantFrom('1', '{"two":2}', JSON.stringify('x'.repeat(60)));
const letter: fc.Arbitrary<plain.Letter> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('note'), data }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('note', 'other'), data, key: fc.constantFrom('k1', 'k2', 'k3') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('note'), data, id: fc.constantFrom('k1', 'k3', 'own') }) },
);

export const commands: AnyCommand[] = [
  kind('open', {
    weight: 4,
    args: fc.record({
      ttlMs: fc.constantFrom(6_000, 30_000, 90_000, 31_536_000_000, 31_536_000_000),
      reference: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    }),
    async run(model, world, { ttlMs, reference }) {
      await compareOpened(model, world, { ttlMs, reference, opening: world.transactions.open({ ttlMs, reference }) });
    },
  }),

  kind('append', {
    weight: 8,
    args: fc.record({ pick, letter }),
    isPossible: hasTransaction,
    run: async (model, world, { pick: index, letter: one }) => append(model, world, { index, letters: [one] }),
  }),

  kind('append together', {
    weight: 3,
    args: fc.record({ pick, letters: fc.array(letter, { minLength: 2, maxLength: 4 }) }),
    isPossible: hasTransaction,
    run: async (model, world, { pick: index, letters }) => append(model, world, { index, letters }),
  }),

  kind('attach', {
    weight: 8,
    args: fc.record({
      pick,
      token: fc.nat({ max: 2 }),
      after: fc.option(fc.nat({ max: 10 }), { nil: undefined }),
      isWritable: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
    }),
    isPossible: (model) => hasTransaction(model) && model.liveReaders.length < 5,
    async run(model, world, { pick: index, token, after, isWritable }) {
      const transaction = transactionAt(model, index);
      const tokenId = [...transaction.tokens][token];
      const id = world.attach({ transactionId: transaction.id, tokenId, after, isWritable });
      transaction.readers.push(new plain.ModelReader(transaction, { id, tokenId, after, isWritable }));
    },
  }),

  kind('drop', {
    weight: 2,
    args: pick,
    isPossible: hasReader,
    async run(model, world, index) {
      const reader = readerAt(model, index);
      reader.isGone = true;
      world.detach(reader.id);
    },
  }),

  kind('ack', {
    weight: 5,
    args: fc.record({ pick, sequence, reply }),
    isPossible: hasReader,
    async run(model, world, { pick: index, sequence: upTo, reply: answer }) {
      const reader = readerAt(model, index);
      const attachment = world.attachmentOf(reader.id);
      if (upTo > reader.position) return assert.throws(() => attachment.ack(upTo, answer), isRefusal('sequence_out_of_range'));
      attachment.ack(upTo, answer);
      reader.ack(upTo, answer);
    },
  }),

  kind('ack the position', {
    weight: 5,
    args: pick,
    isPossible: hasReader,
    async run(model, world, index) {
      const reader = readerAt(model, index);
      if (reader.position === 0) return;
      world.attachmentOf(reader.id).ack(reader.position);
      reader.ack(reader.position, undefined);
    },
  }),

  kind('nack', {
    weight: 5,
    args: fc.record({ pick, sequence, error: fc.constantFrom('no', 'again no') }),
    isPossible: hasReader,
    async run(model, world, { pick: index, sequence: failed, error }) {
      const reader = readerAt(model, index);
      const attachment = world.attachmentOf(reader.id);
      if (failed > reader.position)
        return assert.throws(() => attachment.nack(failed, error), isRefusal('sequence_out_of_range'));
      attachment.nack(failed, error);
      reader.nack(failed, error);
    },
  }),

  kind('nack until it has failed', {
    weight: 2,
    args: fc.record({ pick, sequence }),
    isPossible: hasReader,
    async run(model, world, { pick: index, sequence: wanted }) {
      const reader = readerAt(model, index);
      const failed = Math.min(wanted, reader.position);
      for (let second = 0; failed > 0 && second <= 15 && !reader.isGone; second++) {
        world.attachmentOf(reader.id).nack(failed, 'never');
        reader.nack(failed, 'never');
        await pass(model, world, 1);
      }
    },
  }),

  kind('page stops reading', {
    weight: 3,
    args: fc.record({ pick, isWritable: fc.boolean() }),
    isPossible: hasReader,
    async run(model, world, { pick: index, isWritable }) {
      const reader = readerAt(model, index);
      reader.isWritable = isWritable;
      world.setWritable(reader.id, isWritable);
      if (isWritable) world.resume(reader.id);
    },
  }),

  kind('page reads again as a message comes', {
    args: fc.record({ pick, letter }),
    isPossible: hasReader,
    async run(model, world, { pick: index, letter: one }) {
      const reader = readerAt(model, index);
      reader.isWritable = true;
      world.setWritable(reader.id, true);
      const at = model.transactions.length - 1 - model.transactions.indexOf(reader.transaction);
      await append(model, world, { index: at, letters: [one] });
      world.resume(reader.id);
    },
  }),

  kind('time passes', {
    weight: 6,
    args: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 25 })),
    run: async (model, world, seconds) => pass(model, world, seconds),
  }),

  kind('poll', {
    weight: 2,
    args: fc.record({ pick, after: fc.nat({ max: 10 }), limit: fc.integer({ min: 1, max: 10 }), asPage: fc.boolean() }),
    isPossible: hasTransaction,
    async run(model, world, { pick: index, after, limit, asPage }) {
      const transaction = transactionAt(model, index);
      const { mailbox } = world;
      const reading = asPage
        ? mailbox.readAsPage(transaction.id, { after, limit })
        : mailbox.read(transaction.id, { after, limit });
      if (transaction.state === 'forgotten') return refused(reading, 'transaction_not_found');
      const page = await reading;
      const expected = transaction.messages.slice(after, after + limit);
      assert.deepEqual(page.messages.map(described), expected.map(described));
      assert.equal(page.lastSequence, transaction.last);
      assert.equal(page.ackedSequence, transaction.acked);
      assert.equal(page.state, transaction.state);
      if (asPage) for (const message of expected) message.attempts++;
    },
  }),

  kind('ack by HTTP', {
    args: fc.record({ pick, sequence, reply }),
    isPossible: hasTransaction,
    async run(model, world, { pick: index, sequence: upTo, reply: answer }) {
      const transaction = transactionAt(model, index);
      const acking = world.mailbox.acknowledge(transaction.id, upTo, answer);
      if (transaction.state === 'forgotten') return refused(acking, 'transaction_not_found');
      if (upTo > transaction.last) return refused(acking, 'sequence_out_of_range');
      await acking;
      transaction.handle({ sequence: upTo, reply: answer, except: new Set() });
    },
  }),

  kind('nack by HTTP', {
    args: fc.record({ pick, sequence }),
    isPossible: hasTransaction,
    async run(model, world, { pick: index, sequence: failed }) {
      const transaction = transactionAt(model, index);
      const failing = world.mailbox.fail(transaction.id, failed, 'no');
      if (transaction.state === 'forgotten') return refused(failing, 'transaction_not_found');
      if (failed > transaction.last) return refused(failing, 'sequence_out_of_range');
      await failing;
      transaction.fail(failed, 'no');
    },
  }),

  kind('settle', {
    weight: 2,
    args: pick,
    isPossible: hasTransaction,
    async run(model, world, index) {
      const transaction = transactionAt(model, index);
      const settling = world.transactions.settle(transaction.id);
      if (transaction.state === 'forgotten') return refused(settling, 'transaction_not_found');
      if (transaction.state === 'open') transaction.settledAt = model.now;
      assert.equal(await settling, transaction.state);
    },
  }),

  kind('forget', {
    weight: 1,
    args: pick,
    isPossible: hasTransaction,
    async run(model, world, index) {
      const transaction = transactionAt(model, index);
      const forgetting = world.transactions.forget(transaction.id);
      if (transaction.state === 'forgotten') return refused(forgetting, 'transaction_not_found');
      await forgetting;
      transaction.isForgotten = true;
    },
  }),

  kind('add a token', {
    weight: 1,
    args: pick,
    isPossible: hasTransaction,
    async run(model, world, index) {
      const transaction = transactionAt(model, index);
      const adding = world.transactions.addToken(transaction.id);
      if (transaction.state === 'forgotten') return refused(adding, 'transaction_not_found');
      transaction.tokens.add((await adding).id);
    },
  }),

  kind('revoke a token', {
    weight: 1,
    args: fc.record({ pick, token: fc.nat({ max: 2 }) }),
    isPossible: hasTransaction,
    async run(model, world, { pick: index, token }) {
      const transaction = transactionAt(model, index);
      const tokenId = [...transaction.tokens][token] ?? 'tok_unknown';
      const revoking = world.transactions.revokeToken(transaction.id, tokenId);
      if (transaction.state === 'forgotten') return refused(revoking, 'transaction_not_found');
      if (!transaction.tokens.delete(tokenId)) return refused(revoking, 'token_not_found');
      await revoking;
    },
  }),

  kind('wait for an outcome', {
    weight: 3,
    args: fc.record({ pick, sequence, seconds: fc.integer({ min: 1, max: 3 }), reply }),
    isPossible: hasTransaction,
    async run(model, world, { pick: index, sequence: wanted, seconds, reply: answer }) {
      const transaction = transactionAt(model, index);
      const message = transaction.messages[Math.min(wanted, transaction.last) - 1];
      if (message === undefined || transaction.state === 'forgotten') return;
      // Over between two seconds, so that nothing else falls due at that instant.
      const waiting = world.mailbox.outcome(transaction.id, message.id, { withinMs: seconds * 1_000 + HALF_SECOND_MS });
      // It may be refused before anybody awaits it.
      waiting.catch(() => undefined);
      await world.quiet();
      const reader = model.liveReaders.find((each) => each.transaction === transaction && each.position >= message.sequence);
      if (message.outcome !== undefined) return compareReceipt(transaction, message, await waiting);
      if (answer !== undefined && reader !== undefined) {
        world.attachmentOf(reader.id).ack(message.sequence, answer);
        reader.ack(message.sequence, answer);
        await world.quiet();
        model.flow();
      } else await pass(model, world, seconds);
      await world.pass(HALF_SECOND_MS);
      const { state }: { readonly state: string } = transaction;
      if (state === 'forgotten') await refused(waiting, 'message_not_found');
      else compareReceipt(transaction, message, await waiting);
      await world.pass(HALF_SECOND_MS);
      model.tick();
    },
  }),

  kind('restart', {
    weight: 1,
    args: fc.constant(null),
    async run(model, world) {
      for (const reader of model.liveReaders) {
        reader.isGone = true;
        world.detach(reader.id);
      }
      await world.restart();
    },
  }),

  kind('crash', {
    weight: 1,
    args: fc.constant(null),
    isPossible: (_model, world) => world.isDurable,
    async run(model, world) {
      for (const reader of model.liveReaders) reader.isGone = true;
      await world.crash();
      for (const transaction of model.transactions) await adoptLosses(transaction, world);
    },
  }),

  kind('look', {
    weight: 2,
    args: fc.constant(null),
    run: async (model, world) => compareStore(model, world),
  }),

  ...webhookKinds,
].flat();

/** All letters in one turn, which a store may commit together. */
async function append(
  model: Model,
  world: World,
  { index, letters }: { index: number; letters: readonly plain.Letter[] },
): Promise<void> {
  const transaction = transactionAt(model, index);
  const answers = await Promise.allSettled(letters.map((one) => world.mailbox.append(transaction.id, one)));
  for (const [at, one] of letters.entries()) {
    const answer = answers[at];
    assert.ok(answer);
    const verdict = transaction.judge(one);
    if (verdict.kind === 'refused') {
      assert.ok(answer.status === 'rejected' && isRefusal(verdict.code)(answer.reason), `expected ${verdict.code}`);
      continue;
    }
    assert.ok(answer.status === 'fulfilled', `expected ${verdict.kind}`);
    const { message, isDuplicate } = answer.value;
    const expected = verdict.kind === 'duplicate' ? verdict.first : transaction.store(message.id, one);
    assert.equal(isDuplicate, verdict.kind === 'duplicate');
    assert.deepEqual(described(message), described(expected));
    if (one.id !== undefined && verdict.kind === 'stored') assert.equal(message.id, one.id);
  }
}

async function pass(model: Model, world: World, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await world.quiet();
    model.flow();
    await world.pass(1_000);
    model.tick();
    compareLogs(model, world);
  }
}

function readerAt(model: Model, index: number): ModelReader {
  const found = model.liveReaders[index % model.liveReaders.length];
  assert.ok(found);
  return found;
}
