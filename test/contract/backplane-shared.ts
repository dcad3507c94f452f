/** What a doorbell guarantees that rings on several nodes. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import type { Backplane } from '../../src/backplane/backplane.ts';
import { attentive, Ear, type StartBackplanes } from './backplane-subject.ts';

/** Shown by a ring that comes after all those that came before: it has a transaction of its own. */
const MARKER = 'txn_marker';

export function sharedBackplaneContract(start: StartBackplanes): void {
  const startTwo = async (): Promise<AsyncDisposable & { readonly here: Backplane; readonly there: Backplane }> => {
    const subject = await start(2);
    const [here, there] = subject.nodes;
    assert.ok(there !== undefined);
    return { here, there, [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose]() };
  };

  test('a ring is heard on every node with a reader, and says no more than that there is something', async () => {
    await using subject = await start(3);
    const [here, ...others] = subject.nodes;
    assert.equal(others.length, 2);
    const ears = await Promise.all(others.map((node) => attentive(node, 'txn_a')));
    here.ring('txn_a', { transactionId: 'txn_a', id: 'm', sequence: 1, type: 'note', data: '1', storedAt: 5 });
    await Promise.all(ears.map((ear) => ear.hears(1)));
    assert.deepEqual(
      ears.map(({ heard }) => heard),
      [[undefined], [undefined]],
    );
  });

  test('a receipt is heard as one on the other node', async () => {
    await using two = await startTwo();
    const ear = await attentive(two.there, 'txn_a');
    two.here.ring('txn_a', 'receipt');
    await ear.hears(1);
    assert.deepEqual(ear.heard, ['receipt']);
  });

  test('a ring here is not heard there', async () => {
    await using two = await startTwo();
    const ear = await attentive(two.there, 'txn_a');
    const marker = await attentive(two.there, MARKER);
    two.here.ringHere('txn_a');
    two.here.ring(MARKER);
    await marker.hears(1);
    assert.deepEqual(ear.heard, []);
  });

  test('a node hears its own ring once', async () => {
    await using two = await startTwo();
    const ear = await attentive(two.here, 'txn_a');
    const marker = await attentive(two.there, MARKER);
    const answer = await attentive(two.here, 'txn_answer');
    two.here.ring('txn_a');
    two.here.ring(MARKER);
    await marker.hears(1);
    two.there.ring('txn_answer');
    await answer.hears(1);
    assert.deepEqual(ear.heard, [undefined]);
  });

  test('nothing falls between: whoever comes hears a ring after each that was rung since, whenever that was', async () => {
    await using two = await startTwo();
    for (let turns = 0; turns < 40; turns++) {
      const id = `txn_${turns}`;
      using ear = new Ear(two.here, id);
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      const before = ear.heard.length;
      two.there.ring(id);
      await ear.hears(before + 1);
    }
  });

  test('many rings of one turn are all heard', async () => {
    await using two = await startTwo();
    const ids = Array.from({ length: 2_000 }, (_, n) => `txn_${'0'.repeat(20)}${n}`);
    const ears = await Promise.all(ids.map((id) => attentive(two.there, id)));
    for (const [index, id] of ids.entries()) two.here.ring(id, index % 2 === 0 ? 'receipt' : undefined);
    await Promise.all(ears.map((ear) => ear.hears(1)));
    for (const [index, { heard }] of ears.entries()) assert.deepEqual(heard, [index % 2 === 0 ? 'receipt' : undefined]);
  });

  test('of a ring and a receipt at once the ring is heard at least', async () => {
    await using two = await startTwo();
    const ear = await attentive(two.there, 'txn_a');
    two.here.ring('txn_a', 'receipt');
    two.here.ring('txn_a');
    await ear.hears(1);
    assert.deepEqual(ear.heard[0], undefined);
  });

  test('who leaves and comes again hears rings, whatever was under way', async () => {
    await using two = await startTwo();
    for (let turns = 0; turns < 40; turns++) {
      const first = new Ear(two.there, 'txn_a');
      for (let turn = 0; turn < turns; turn++) await setImmediate();
      first.leave();
      for (let turn = 0; turn < turns % 7; turn++) await setImmediate();
      using again = new Ear(two.there, 'txn_a');
      const before = again.heard.length;
      two.here.ring('txn_a');
      await again.hears(before + 1);
    }
  });

  test('when one node has gone, the others ring each other', async () => {
    await using subject = await start(3);
    const [here, gone, there] = subject.nodes;
    assert.ok(gone !== undefined && there !== undefined);
    await attentive(gone, 'txn_a');
    const ear = await attentive(there, 'txn_a');
    await gone[Symbol.asyncDispose]();
    here.ring('txn_a');
    await ear.hears(1);
    assert.deepEqual(ear.heard, [undefined]);
  });

  test('names that no transaction has keep no ring of another from being heard', async () => {
    await using two = await startTwo();
    const ear = await attentive(two.there, 'txn_a');
    for (const name of ['nul\0', '\ud800', 'x'.repeat(9_000), 'a b', 'r:txn_a']) {
      new Ear(two.there, name);
      two.here.ring(name);
    }
    two.here.ring('txn_a');
    await ear.hears(1);
    assert.deepEqual(ear.heard, [undefined]);
  });
}
