/** What happens at the same time is tried in every order: at each microtask after the other thing began. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachOffset, microtasks, quiet, World } from './attachment-world.ts';

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function worldOf(messages: number, slowness: number): Promise<World> {
  const world = await World.create(messages);
  world.slowness = slowness;
  return world;
}

test('no message is lost or doubled when it is stored at any moment of an attach', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(1, slowness);
    using _ = world.attach();
    await microtasks(at);
    await world.append();
    await quiet();
    assert.deepEqual(world.reader.sequences, [1, 2], `${at} ${slowness}`);
    assert.equal(world.reader.log.filter((entry) => entry.startsWith('caughtUp')).length, 1);
  }));

test('no message is lost or doubled when two are stored at any distance', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(0, slowness);
    using _ = world.attach();
    await quiet();
    const first = world.append();
    await microtasks(at);
    await Promise.all([first, world.append()]);
    await quiet();
    assert.deepEqual(world.reader.log, ['caughtUp 0', '1', '2'], `${at} ${slowness}`);
  }));

test('a doorbell that says nothing, twice, late, or something stale changes nothing', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(3, slowness);
    const { backplane, store } = world.parts;
    using _ = world.attach();
    await microtasks(at);
    const stored = await store.read(world.id, { after: 0, limit: 10 });
    backplane.ring(world.id);
    for (const message of stored?.messages.toReversed() ?? []) backplane.ring(world.id, message);
    const silent = await store.append({ transactionId: world.id, id: 'silent', type: 'note', data: '1' });
    assert.equal(silent.outcome, 'stored');
    await world.append();
    await quiet();
    assert.deepEqual(world.reader.sequences, upTo(5), `${at} ${slowness}`);
  }));

test('a message whose ring was lost is read before the next one, though that one comes with its ring', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(0, slowness);
    using _ = world.attach();
    await quiet();
    await world.parts.store.append({ transactionId: world.id, id: 'silent', type: 'note', data: '1' });
    await microtasks(at);
    await world.append();
    await quiet();
    assert.deepEqual(world.reader.log, ['caughtUp 0', '1', '2'], `${at} ${slowness}`);
  }));

test('a message that rings at any moment of the read that finds it is not doubled', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(0, slowness);
    const { store, backplane } = world.parts;
    using _ = world.attach();
    await quiet();
    const result = await store.append({ transactionId: world.id, id: 'one', type: 'note', data: '1' });
    assert.ok(result.outcome === 'stored');
    backplane.ring(world.id);
    await microtasks(at);
    backplane.ring(world.id, result.message);
    await quiet();
    assert.deepEqual(world.reader.log, ['caughtUp 0', '1'], `${at} ${slowness}`);
  }));

test('a page that takes only so much gets all of it, whenever it has room again', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(5, slowness);
    const { reader } = world;
    reader.room = 2;
    using attachment = world.attach();
    await quiet();
    assert.deepEqual(reader.log, ['1', '2']);
    const appended = world.append();
    await microtasks(at);
    Object.assign(reader, { room: Infinity, isWritable: true });
    attachment.resume();
    await appended;
    await quiet();
    assert.deepEqual(reader.sequences, upTo(6), `${at} ${slowness}`);
  }));

test('settle and ack at any distance: everything is delivered, then `closed`, then the end, each once', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(1, slowness);
    const { reader, parts } = world;
    using attachment = world.attach();
    await quiet();
    const appended = world.append();
    await microtasks(at);
    const settled = parts.transactions.settle(world.id);
    await Promise.all([appended, settled]).catch(() => undefined);
    await microtasks(at);
    const last = reader.sequences.length;
    attachment.ack(last);
    await quiet();
    parts.clock.advance(25);
    await quiet();
    if (reader.sequences.length > last) attachment.ack(reader.sequences.length);
    await quiet();
    const { lastSequence, ackedSequence } = await parts.transactions.get(world.id);
    assert.deepEqual(reader.sequences, upTo(lastSequence), `${at} ${slowness}`);
    assert.equal(ackedSequence, lastSequence);
    assert.deepEqual(reader.log.slice(-2), ['settled', 'end'], `${at} ${slowness}`);
    assert.equal(reader.log.filter((entry) => entry === 'settled' || entry === 'end').length, 2);
  }));

test('forget and revoke at any moment of an attach: the page is told once, and nothing after it', async () => {
  for (const reason of ['forgotten', 'revoked']) {
    await eachOffset(async (at, slowness) => {
      const world = await worldOf(2, slowness);
      const { transactions } = world.parts;
      using _ = world.attach();
      await microtasks(at);
      if (reason === 'forgotten') await transactions.forget(world.id);
      else await transactions.revokeToken(world.id, world.opened.token.id);
      await quiet();
      assert.deepEqual(world.reader.log.slice(-2), [reason, 'end'], `${reason} ${at} ${slowness}`);
      const { length } = world.reader.log;
      await world.append().catch(() => undefined);
      world.parts.clock.advance(20_000);
      await quiet();
      assert.equal(world.reader.log.length, length);
    });
  }
});

test('a page that leaves at any moment is called no more, and leaves no timer', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(2, slowness);
    const attachment = world.attach();
    await microtasks(at);
    attachment[Symbol.dispose]();
    const { length } = world.reader.log;
    await attachment.begun();
    await world.append();
    await world.parts.receipts.flush(world.id);
    world.parts.clock.advance(1_000);
    await quiet();
    assert.equal(world.reader.log.length, length, `${at} ${slowness}`);
    assert.equal(world.parts.clock.pendingCount, 0);
  }));

test('an ack at any moment around a redelivery: the message is handled, and what waited behind it flows', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(1, slowness);
    using attachment = world.attach();
    await quiet();
    attachment.nack(1, 'not now');
    await quiet();
    world.parts.clock.advance(1_000);
    await microtasks(at);
    attachment.ack(1);
    const again = world.reader.sequences.length;
    await quiet();
    // Once acked it is not sent again.
    assert.equal(world.reader.sequences.length, again, `${at} ${slowness}`);
    assert.deepEqual(await world.statusOfLast(), { handled: true, failed: false, attempts: again });
    await world.append();
    await quiet();
    assert.equal(world.reader.sequences.at(-1), 2);
  }));

test('a second nack at any moment before the redelivery is the same nack', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(1, slowness);
    using attachment = world.attach();
    await quiet();
    attachment.nack(1, 'not now');
    world.parts.clock.advance(1_000);
    await microtasks(at);
    if (world.reader.sequences.length === 1) attachment.nack(1, 'the same');
    await quiet();
    assert.deepEqual(world.reader.sequences, [1, 1]);
    for (const delayMs of [2_000, 4_000, 8_000]) {
      attachment.nack(1, 'again');
      world.parts.clock.advance(delayMs);
      await quiet();
    }
    assert.deepEqual(world.reader.sequences, [1, 1, 1, 1, 1]);
    assert.deepEqual(await world.statusOfLast(), { handled: false, failed: false, attempts: 5 });
    attachment.nack(1, 'the end');
    assert.deepEqual(await world.statusOfLast(), { handled: false, failed: true, attempts: 5 });
  }));

test('a store that cannot answer at any of the first reads costs time, not messages', async () => {
  for (let failures = 1; failures <= 4; failures++) {
    await eachOffset(async (at, slowness) => {
      const world = await worldOf(2, slowness);
      const { clock } = world.parts;
      world.failures = failures;
      using _ = world.attach();
      await microtasks(at);
      await world.append();
      await quiet();
      for (let n = 0; n < failures; n++) {
        clock.advance(1_000);
        await quiet();
      }
      assert.deepEqual(world.reader.sequences, [1, 2, 3], `${failures} ${at} ${slowness}`);
      assert.equal(world.failures, 0);
    });
  }
});

test('nothing is acked before it is known where the page stands; then its position is', () =>
  eachOffset(async (at, slowness) => {
    const world = await worldOf(3, slowness);
    using attachment = world.attach(2);
    await microtasks(at);
    await attachment.begun();
    attachment.ack(2);
    assert.throws(() => attachment.ack(4), { code: 'sequence_out_of_range' });
    await quiet();
    assert.equal((await world.parts.transactions.get(world.id)).ackedSequence, 2);
    assert.deepEqual(world.reader.log, ['3', 'caughtUp 3']);
  }));
