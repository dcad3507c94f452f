/** The connection that a node listens on: cut, silent without being cut, and refused, by a proxy before a real database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEAT_MS } from '../../src/postgres/nodes.ts';
import { attentive, Ear } from '../contract/backplane-subject.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { StallingProxy } from '../fixtures/stalling-proxy.ts';
import { Cluster, withPostgres, type Member } from './cluster.ts';

/** Longer than a line waits for an answer, or before it is opened again. */
const LONG_MS = 3_000;

/** A node that is rung, over a proxy, and one that rings. */
class Scene implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly proxy: StallingProxy;
  readonly clock: ManualClock;
  readonly sender: Member;
  readonly listener: Member;
  /** What was said to be heard again. */
  readonly listening: string[];

  private constructor(parts: Pick<Scene, 'cluster' | 'proxy' | 'clock' | 'sender' | 'listener' | 'listening'>) {
    this.cluster = parts.cluster;
    this.proxy = parts.proxy;
    this.clock = parts.clock;
    this.sender = parts.sender;
    this.listener = parts.listener;
    this.listening = parts.listening;
  }

  static async start(): Promise<Scene> {
    const cluster = await Cluster.start(1);
    const proxy = await StallingProxy.start(cluster.url);
    const clock = new ManualClock();
    const listening: string[] = [];
    const [sender] = cluster.members;
    assert.ok(sender !== undefined);
    const listener: Member = await cluster.join({
      clock,
      lineUrl: proxy.url,
      onListening: (ids) => {
        for (const id of ids) {
          listening.push(id);
          listener.backplane.ringHere(id);
        }
      },
    });
    await eventually('the sender knows of the listener', async () => sender.nodes.hasOthers);
    return new Scene({ cluster, proxy, clock, sender, listener, listening });
  }

  async lost(): Promise<void> {
    await eventually('the line is lost', async () => !this.listener.nodes.isHere);
  }

  /** The line is open again, and everybody is registered. */
  async found(transactionIds: readonly string[]): Promise<void> {
    await eventually('the line is open', async () => {
      this.clock.advance(100);
      return this.listener.nodes.isHere;
    });
    await eventually('all are listened to again', async () => transactionIds.every((id) => this.listening.includes(id)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
  }
}

test('a line that is cut is opened again, and its readers look for what they have missed', withPostgres, async () => {
  await using scene = await Scene.start();
  const { sender, listener, proxy } = scene;
  using ear = await attentive(listener.backplane, 'txn_a');
  scene.listening.splice(0);
  proxy.cut();
  await scene.lost();
  sender.backplane.ring('txn_a');
  await scene.found(['txn_a']);
  await ear.hears(1);
  ear.take();
  sender.backplane.ring('txn_a');
  await ear.hears(1);
  assert.deepEqual(ear.heard, [undefined]);
});

test('a line on which nothing passes any more is noticed at the next beat, and opened again', withPostgres, async () => {
  await using scene = await Scene.start();
  const { sender, listener, proxy, clock } = scene;
  using ear = await attentive(listener.backplane, 'txn_a');
  scene.listening.splice(0);
  proxy.stall();
  sender.backplane.ring('txn_a');
  await scene.cluster.takeRings('node-1');
  assert.ok(listener.nodes.isHere, 'nobody was told');
  clock.advance(BEAT_MS);
  clock.advance(LONG_MS);
  await scene.lost();
  assert.deepEqual(ear.heard, []);
  await scene.found(['txn_a']);
  await ear.hears(1);
  ear.take();
  sender.backplane.ring('txn_a');
  await ear.hears(1);
  assert.deepEqual(ear.heard, [undefined]);
});

test(
  'while no line can be opened, readers come and go; when it is open again those who are there are registered',
  withPostgres,
  async () => {
    await using scene = await Scene.start();
    const { sender, listener, proxy, cluster } = scene;
    using _staying = await attentive(listener.backplane, 'txn_a');
    const leaving = await attentive(listener.backplane, 'txn_b');
    await cluster.registers('node-1', ['txn_a', 'txn_b']);
    proxy.refuse(true);
    proxy.cut();
    await scene.lost();
    leaving.leave();
    using coming = new Ear(listener.backplane, 'txn_c');
    for (let tries = 0; tries < 5; tries++) {
      scene.clock.advance(LONG_MS);
      await cluster.query('SELECT');
    }
    assert.deepEqual(coming.heard, []);
    proxy.refuse(false);
    await scene.found(['txn_c']);
    await cluster.registers('node-1', ['txn_a', 'txn_c']);
    coming.take();
    sender.backplane.ring('txn_c');
    await coming.hears(1);
  },
);

test(
  'a crash of the database, which empties the readers and ends every connection, is over when it is back',
  withPostgres,
  async () => {
    await using scene = await Scene.start();
    const { cluster, sender, listener } = scene;
    using ear = await attentive(listener.backplane, 'txn_a');
    scene.listening.splice(0);
    await cluster.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await cluster.query('TRUNCATE ringback.readers');
    await scene.lost();
    await scene.found(['txn_a']);
    await eventually('the sender is back', async () => sender.nodes.isHere);
    await cluster.registers('node-1', ['txn_a']);
    ear.take();
    sender.backplane.ring('txn_a');
    await ear.hears(1);
  },
);

test('a node that is disposed while its line is silent, or away, ends all the same', withPostgres, async () => {
  for (const fault of ['stall', 'cut'] as const) {
    await using scene = await Scene.start();
    scene.proxy.refuse(true);
    scene.proxy[fault]();
    if (fault === 'cut') await scene.lost();
    const ended = scene.listener[Symbol.asyncDispose]();
    const turning = setInterval(() => scene.clock.advance(LONG_MS), 10);
    await ended;
    clearInterval(turning);
    assert.equal(scene.clock.pendingCount, 0, fault);
  }
});
