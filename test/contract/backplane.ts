/**
 * What every doorbell guarantees, sentence by sentence of `src/backplane/backplane.ts`. Knows no implementation: it is given a
 * way to make some.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoredMessage } from '../../src/store/store.ts';
import { attentive, Ear, type StartBackplanes } from './backplane-subject.ts';
import { sharedBackplaneContract } from './backplane-shared.ts';

export interface BackplaneKind {
  readonly start: StartBackplanes;
  /** Whether it rings on other nodes too. */
  readonly isShared: boolean;
}

const MESSAGE: StoredMessage = { transactionId: 'txn_a', id: 'm', sequence: 1, type: 'note', data: '1', storedAt: 5 };
/** Nothing that can be the id of a transaction. */
const NONSENSE = ['', ' ', 'a b', 'nul\0', 'r:txn_a', '+', 'x'.repeat(10_000), '\ud800', "'; --"];

export function backplaneContract(name: string, { start, isShared }: BackplaneKind): void {
  describe(`${name}, as a doorbell`, () => {
    describe('on one node', () => localContract(start, isShared));
    if (isShared) describe('between nodes', () => sharedBackplaneContract(start));
  });
}

function localContract(start: StartBackplanes, isShared: boolean): void {
  const ready = async (...[backplane, transactionId]: Parameters<typeof attentive>): Promise<Ear> =>
    isShared ? attentive(backplane, transactionId) : new Ear(backplane, transactionId);

  test('a ring has called every listener of its transaction, and nobody else, when it returns', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const ears = [await ready(backplane, 'txn_a'), new Ear(backplane, 'txn_a'), new Ear(backplane, 'txn_a')];
    const other = await ready(backplane, 'txn_b');
    backplane.ring('txn_a');
    assert.deepEqual(
      ears.map(({ heard }) => heard),
      [[undefined], [undefined], [undefined]],
    );
    assert.deepEqual(other.heard, []);
  });

  test('the committed message is handed over, and so is that there is a receipt', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const ear = await ready(backplane, 'txn_a');
    backplane.ring('txn_a', MESSAGE);
    backplane.ring('txn_a', 'receipt');
    backplane.ring('txn_a');
    assert.deepEqual(ear.heard, [MESSAGE, 'receipt', undefined]);
    assert.equal(ear.heard[0], MESSAGE);
  });

  test('who has left is not called, and leaving twice is leaving once', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const gone = await ready(backplane, 'txn_a');
    const staying = new Ear(backplane, 'txn_a');
    gone.leave();
    gone.leave();
    backplane.ring('txn_a');
    assert.deepEqual([gone.heard, staying.heard], [[], [undefined]]);
    staying.leave();
    staying.leave();
    backplane.ring('txn_a');
    assert.equal(staying.heard.length, 1);
  });

  test('who comes during a ring does not hear that one; who is sent away during it hears it no more', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const heard: string[] = [];
    const unsubscribe = backplane.subscribe('txn_a', () => {
      heard.push('first');
      backplane.subscribe('txn_a', () => void heard.push('newcomer'));
      leaveSecond();
      unsubscribe();
    });
    const leaveSecond = backplane.subscribe('txn_a', () => void heard.push('second'));
    backplane.ring('txn_a');
    assert.deepEqual(heard, ['first']);
    backplane.ring('txn_a');
    assert.deepEqual(heard, ['first', 'newcomer']);
  });

  test('a ring here calls the listeners here, and says no more than that', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const ear = await ready(backplane, 'txn_a');
    backplane.ringHere('txn_a');
    backplane.ringHere('txn_b');
    assert.deepEqual(ear.heard, [undefined]);
  });

  test('what is listened to here is told, each once, also while it changes', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    assert.deepEqual([...backplane.subscribed()], []);
    const [a, b, again] = ['txn_a', 'txn_b', 'txn_a'].map((id) => new Ear(backplane, id));
    assert.deepEqual([...backplane.subscribed()].toSorted(), ['txn_a', 'txn_b']);
    a?.leave();
    assert.ok(backplane.isSubscribed('txn_a'));
    again?.leave();
    assert.ok(!backplane.isSubscribed('txn_a'));
    const seen: string[] = [];
    for (const id of backplane.subscribed()) {
      seen.push(id);
      b?.leave();
      if (seen.length < 5) new Ear(backplane, `txn_${seen.length}`);
    }
    assert.equal(new Set(seen).size, seen.length);
    assert.equal(seen[0], 'txn_b');
    assert.ok(!backplane.isSubscribed('txn_b'));
  });

  test('names that no transaction has are rung and listened to without harm', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const ears = NONSENSE.map((name) => new Ear(backplane, name));
    for (const name of NONSENSE) backplane.ring(name);
    assert.deepEqual(
      ears.map(({ heard }) => heard.length),
      NONSENSE.map(() => 1),
    );
    const ear = await ready(backplane, 'txn_a');
    backplane.ring('txn_a');
    assert.equal(ear.heard.length, 1);
    for (const each of ears) each.leave();
  });

  test('once it is disposed nobody is called, and whoever rings, comes or leaves does no harm', async () => {
    await using subject = await start(1);
    const [backplane] = subject.nodes;
    const ear = await ready(backplane, 'txn_a');
    await backplane[Symbol.asyncDispose]();
    backplane.ring('txn_a');
    backplane.ringHere('txn_a');
    ear.leave();
    assert.deepEqual(ear.heard, []);
    new Ear(backplane, 'txn_b').leave();
  });
}
