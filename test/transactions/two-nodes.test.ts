/** Two nodes on one store, with a doorbell between them that is dead: the patrol alone tells what happened on the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBackplane } from '../../src/backplane/memory.ts';
import { silentLogger } from '../../src/logger.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Receipt, Store } from '../../src/store/store.ts';
import { Attachment } from '../../src/transactions/attachment.ts';
import { ConnectionTable } from '../../src/transactions/connection-table.ts';
import { Expiries } from '../../src/transactions/expiries.ts';
import { FreshGrants } from '../../src/transactions/fresh-grants.ts';
import { isFinal, Mailbox } from '../../src/transactions/mailbox.ts';
import { Patrol } from '../../src/transactions/patrol.ts';
import { Receipts } from '../../src/transactions/receipts.ts';
import { Transactions } from '../../src/transactions/transactions.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { NotingReader, quiet } from './attachment-world.ts';

const LIMITS = {
  openTransactions: 10,
  messagesPerTransaction: 100,
  mailboxBytes: 10_000,
  retentionMs: 60_000,
  parkedMessages: 10,
  parkMs: 60_000,
  dedupeMs: 60_000,
};
/** What the doorbell would have told at once. */
const LATEST_MS = 3_000;
/** How far time goes on between two looks of a test. */
const STEP_MS = 100;

/** What a process has for itself. */
class Node implements AsyncDisposable {
  readonly backplane = new MemoryBackplane();
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly mailbox: Mailbox;
  readonly transactions: Transactions;
  readonly #store: Store;
  readonly #clock: ManualClock;
  readonly #patrol: Patrol;
  readonly #attachments = new Set<Attachment>();

  constructor(store: Store, clock: ManualClock) {
    this.#store = store;
    this.#clock = clock;
    const { backplane } = this;
    this.receipts = new Receipts({ store, clock, backplane });
    this.connections = new ConnectionTable({ store, clock, node: 'node' });
    const parts = { store, backplane, receipts: this.receipts, connections: this.connections };
    this.mailbox = new Mailbox({ ...parts, clock });
    this.transactions = new Transactions({ ...parts, fresh: new FreshGrants(clock) });
    this.#patrol = new Patrol({ store, backplane, clock, logger: silentLogger });
  }

  attach(transactionId: string, tokenId: string): { readonly reader: NotingReader; readonly attachment: Attachment } {
    const reader = new NotingReader();
    const clock = this.#clock;
    const parts = {
      store: this.#store,
      backplane: this.backplane,
      receipts: this.receipts,
      clock,
      expiries: new Expiries(clock),
    };
    const attachment = new Attachment({ transactionId, tokenId, after: 0, reader }, parts);
    this.#attachments.add(attachment);
    return { reader, attachment };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const attachment of this.#attachments) attachment[Symbol.dispose]();
    await this.#patrol[Symbol.asyncDispose]();
    await this.receipts[Symbol.asyncDispose]();
    await this.connections[Symbol.asyncDispose]();
  }
}

/** A transaction opened on the one, whose page is on the other. */
class Scene implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore({ limits: LIMITS, clock: this.clock });
  readonly sender = new Node(this.store, this.clock);
  readonly pages = new Node(this.store, this.clock);

  async open(): Promise<{ readonly id: string; readonly tokenId: string }> {
    const { id, token } = await this.sender.transactions.open({ ttlMs: 86_400_000 });
    return { id, tokenId: token.id };
  }

  /** So much time, with everything that happens in it. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.clock.advance(STEP_MS);
      await quiet();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sender[Symbol.asyncDispose]();
    await this.pages[Symbol.asyncDispose]();
    assert.equal(this.clock.pendingCount, 0, 'nodes that have ended leave no timer');
  }
}

for (const { what, change, told } of [
  {
    what: 'a message',
    change: ({ mailbox }, id) => mailbox.append(id, { type: 'note', data: '1' }),
    told: ['1'],
  },
  { what: 'a settling', change: ({ transactions }, id) => transactions.settle(id), told: ['settled', 'end'] },
  { what: 'a forgetting', change: ({ transactions }, id) => transactions.forget(id), told: ['forgotten', 'end'] },
  {
    what: 'a revocation',
    change: ({ transactions }, id, tokenId) => transactions.revokeToken(id, tokenId),
    told: ['revoked', 'end'],
  },
] satisfies readonly {
  readonly what: string;
  readonly change: (node: Node, id: string, tokenId: string) => Promise<unknown>;
  readonly told: readonly string[];
}[]) {
  test(`${what} on another node reaches the page within 3 s though no ring comes, whenever it happens`, async () => {
    for (let offsetMs = 0; offsetMs < LATEST_MS; offsetMs += STEP_MS) {
      await using scene = new Scene();
      const { id, tokenId } = await scene.open();
      const { reader } = scene.pages.attach(id, tokenId);
      await quiet();
      await scene.pass(offsetMs);
      await change(scene.sender, id, tokenId);
      await quiet();
      assert.deepEqual(reader.log, ['caughtUp 0'], 'the doorbell is dead');
      await scene.pass(LATEST_MS);
      assert.deepEqual(reader.log, ['caughtUp 0', ...told], `${offsetMs} ms after the attach`);
    }
  });
}

test('a sender that waits on one node sees within 3 s that the page has acked on the other', async () => {
  await using scene = new Scene();
  const { id, tokenId } = await scene.open();
  const { reader, attachment } = scene.pages.attach(id, tokenId);
  await quiet();
  const { message } = await scene.sender.mailbox.append(id, { type: 'note', data: '1' });
  const outcomes: Receipt[] = [];
  const waiting = scene.sender.mailbox.outcome(id, message.id, { withinMs: 30_000 }).then((receipt) => outcomes.push(receipt));
  await scene.pass(LATEST_MS);
  assert.deepEqual(reader.sequences, [1]);
  attachment.ack(1, '"thanks"');
  assert.equal(outcomes.length, 0);
  await scene.pass(LATEST_MS);
  assert.deepEqual(
    outcomes.map((outcome) => [isFinal(outcome), outcome.reply]),
    [[true, '"thanks"']],
  );
  await waiting;
});

test('the end of a settled transaction comes within 3 s of the last ack, though that was on another node', async () => {
  await using scene = new Scene();
  const { id, tokenId } = await scene.open();
  const { reader } = scene.pages.attach(id, tokenId);
  const other = scene.sender.attach(id, tokenId);
  await scene.sender.mailbox.append(id, { type: 'note', data: '1' });
  await scene.sender.transactions.settle(id);
  await scene.pass(LATEST_MS);
  assert.deepEqual(reader.log.slice(-2), ['1', 'settled']);
  other.attachment.ack(1);
  await scene.pass(LATEST_MS);
  assert.equal(reader.log.at(-1), 'end');
});

test('nodes that stand still ask the store for what they read, and nothing more', async () => {
  await using scene = new Scene();
  const { id, tokenId } = await scene.open();
  const { reader } = scene.pages.attach(id, tokenId);
  await scene.pass(30_000);
  assert.deepEqual(reader.log, ['caughtUp 0']);
});
