/** What a delivery costs in rings between nodes, and what is not rung at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../src/store/memory.ts';
import { Attachment } from '../../src/transactions/attachment.ts';
import { Expiries } from '../../src/transactions/expiries.ts';
import { Mailbox } from '../../src/transactions/mailbox.ts';
import { Receipts } from '../../src/transactions/receipts.ts';
import { attentive, Ear } from '../contract/backplane-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { NotingReader } from '../transactions/attachment-world.ts';
import { Cluster, withPostgres } from './cluster.ts';

const LIMITS = {
  openTransactions: 10,
  messagesPerTransaction: 100,
  mailboxBytes: 10_000,
  retentionMs: 60_000,
  parkedMessages: 10,
  parkMs: 60_000,
  dedupeMs: 60_000,
};

/** So many nodes over one store: a sender on the first, the page on the last. */
class Delivery implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly reader = new NotingReader();
  readonly page: Attachment;
  readonly sender: Mailbox;
  readonly #clock = new ManualClock();
  readonly #receipts: readonly Receipts[];
  #markers = 0;

  private constructor(cluster: Cluster, store: MemoryStore) {
    const clock = this.#clock;
    this.cluster = cluster;
    this.#receipts = cluster.members.map(({ backplane }) => new Receipts({ store, clock, backplane }));
    const first = { backplane: cluster.members[0]?.backplane, receipts: this.#receipts[0] };
    const last = { backplane: cluster.members.at(-1)?.backplane, receipts: this.#receipts.at(-1) };
    assert.ok(first.backplane && first.receipts && last.backplane && last.receipts);
    this.sender = new Mailbox({ store, clock, backplane: first.backplane, receipts: first.receipts });
    const context = { store, clock, backplane: last.backplane, receipts: last.receipts, expiries: new Expiries(clock) };
    this.page = new Attachment({ transactionId: 'txn_a', after: 0, reader: this.reader }, context);
  }

  static async start(nodes: number): Promise<Delivery> {
    const cluster = await Cluster.start(nodes);
    const store = new MemoryStore({ limits: LIMITS, clock: new ManualClock() });
    await store.open({ id: 'txn_a', ttlMs: 60_000, token: { id: 'token', hash: 'hash' } });
    const delivery = new Delivery(cluster, store);
    await cluster.registers(`node-${nodes - 1}`, ['txn_a']);
    await delivery.delivered(0);
    return delivery;
  }

  /** Resolves when the page has so many messages. */
  async delivered(count: number): Promise<void> {
    const { reader } = this;
    await eventually(`message ${count} at the page`, async () => reader.log.length > 0 && reader.sequences.length === count);
  }

  async ack(sequence: number): Promise<void> {
    this.page.ack(sequence);
    for (const receipts of this.#receipts) await receipts.flush('txn_a');
  }

  /** How often each node was rung since the last call. */
  async takeCounts(): Promise<number[]> {
    const counts: number[] = [];
    // What is still on its way comes before the marker.
    await this.#passMarker();
    for (const { nodes } of this.cluster.members) {
      const rings = (await this.cluster.takeRings(nodes.node)).filter((ring) => !ring.includes('txn_marker'));
      counts.push(rings.length);
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.page[Symbol.dispose]();
    for (const receipts of this.#receipts) await receipts[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }

  /** From each node to its neighbour, after everything else that it has to say. */
  async #passMarker(): Promise<void> {
    const { members } = this.cluster;
    for (const [index, { backplane }] of members.entries()) {
      const neighbour = members[(index + 1) % members.length];
      if (neighbour === undefined || members.length === 1) return;
      const marker = `txn_marker_${++this.#markers}`;
      using ear = await attentive(neighbour.backplane, marker);
      backplane.ring(marker, 'receipt');
      await ear.hears(1);
    }
  }
}

test('an ack rings the node on which a sender waits for it, and no other', withPostgres, async () => {
  await using delivery = await Delivery.start(4);
  const { message } = await delivery.sender.append('txn_a', { type: 'note', data: '1' });
  await delivery.delivered(1);
  const outcome = delivery.sender.outcome('txn_a', message.id, { withinMs: 30_000 });
  await delivery.cluster.registers('node-0', ['txn_a']);
  await delivery.takeCounts();
  await delivery.ack(1);
  assert.notEqual((await outcome).handledAt, undefined);
  assert.deepEqual(await delivery.takeCounts(), [1, 0, 0, 0]);
});

test('what is sent in one turn rings each node concerned once', withPostgres, async () => {
  await using cluster = await Cluster.start(3);
  const [sender, pages, idle] = cluster.members;
  assert.ok(sender && pages && idle);
  const ears = await Promise.all(['txn_a', 'txn_b', 'txn_c'].map((id) => attentive(pages.backplane, id)));
  using _ = await attentive(idle.backplane, 'txn_idle');
  for (const id of ['txn_a', 'txn_b', 'txn_c', 'txn_a', 'txn_nobody']) sender.backplane.ring(id);
  await Promise.all(ears.map((ear) => ear.hears(1)));
  assert.deepEqual(await cluster.takeRings('node-1'), ['txn_a txn_b txn_c']);
  assert.deepEqual(await cluster.takeRings('node-2'), []);
});

test('in SQL all nodes that have readers are rung', withPostgres, async () => {
  await using cluster = await Cluster.start(2);
  const ears = await Promise.all(cluster.members.map(({ backplane }) => attentive(backplane, 'txn_a')));
  const [row] = await cluster.query<{ rung: number }>(`SELECT ringback.ring_nodes('{txn_a,txn_b}') AS rung`);
  assert.equal(row?.rung, 2);
  await Promise.all(ears.map((ear) => ear.hears(1)));
});

test('a node whose page has left is rung no more', withPostgres, async () => {
  await using cluster = await Cluster.start(2);
  const [sender, pages] = cluster.members;
  assert.ok(sender && pages);
  const ear = await attentive(pages.backplane, 'txn_a');
  await cluster.registers('node-1', ['txn_a']);
  ear.leave();
  await cluster.registers('node-1', []);
  using marker = await attentive(pages.backplane, 'txn_b');
  sender.backplane.ring('txn_a');
  sender.backplane.ring('txn_b');
  await marker.hears(1);
  assert.deepEqual(await cluster.takeRings('node-1'), ['txn_b']);
});

test('while the table of readers is empty no ring comes; the next beat registers all of them again', withPostgres, async () => {
  const clock = new ManualClock();
  await using cluster = await Cluster.start(1);
  const heard: string[][] = [];
  const pages = await cluster.join({ clock, onListening: (ids) => void heard.push([...ids]) });
  const ears = ['txn_a', 'txn_b'].map((id) => new Ear(pages.backplane, id));
  await cluster.registers('node-1', ['txn_a', 'txn_b']);
  await cluster.query('TRUNCATE ringback.readers');
  heard.splice(0);
  clock.advance(4_000);
  await cluster.registers('node-1', ['txn_a', 'txn_b']);
  await eventually('told that rings may have been missed', async () => heard.flat().length === 2);
  cluster.members[0]?.backplane.ring('txn_b');
  await ears[1]?.hears(1);
});
