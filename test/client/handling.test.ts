import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { openTransaction, type Message } from '../../src/client/index.ts';
import { eachNetwork, overWebSockets } from './each-network.ts';
import { now, slowed } from './fast-time.ts';
import { becomes, handled, reaches, Tab, TabStorage } from './tab.ts';

mock.method(console, 'warn', () => undefined);

eachNetwork(
  'messages come to the handler in order, one at a time, and their replies to the sender',
  async ({ backEnd, open, up }) => {
    const opened = await open();
    for (let n = 1; n <= 3; n++) await backEnd.send(opened.id, { data: n });
    let atOnce = 0;
    let most = 0;
    const seen: unknown[] = [];
    const allAreHere = Promise.withResolvers<void>();
    await using transaction = disposable(
      openTransaction(opened, {
        onMessage: async ({ sequence, data }) => {
          most = Math.max(most, ++atOnce);
          if (sequence === 1) await allAreHere.promise;
          seen.push(data);
          atOnce--;
          return { saw: data };
        },
      }),
    );
    await reaches(transaction, up);
    await becomes('the others wait for the first', () => transaction.messages.length === 3);
    assert.deepEqual([seen, most], [[], 1]);
    allAreHere.resolve();
    const sent = await handled(backEnd, opened.id, { data: 4 });
    assert.deepEqual([sent.status, sent.reply], ['handled', { saw: 4 }]);
    assert.deepEqual([seen, most], [[1, 2, 3, 4], 1]);
    assert.deepEqual(
      transaction.messages.map(({ sequence, data }) => [sequence, data]),
      [1, 2, 3, 4].map((n) => [n, n]),
    );
    const first = transaction.messages[0] ?? assert.fail();
    const receipt = await backEnd.receipt(opened.id, first.id);
    assert.deepEqual([receipt.status, receipt.reply], ['handled', { saw: 1 }]);
  },
);

eachNetwork(
  'a handler that throws is called again after 1, 2, 4 and 8 s; later messages wait; then it has failed',
  async (network) => {
    const { backEnd, open, up } = network;
    // Five seconds after the hub should have sent it again the client tries by itself: here, half a second of the machine.
    using _ = slowed(10);
    const opened = await open();
    const calls: { sequence: number; at: number }[] = [];
    await using transaction = disposable(
      openTransaction(opened, {
        onMessage: ({ sequence }) => {
          calls.push({ sequence, at: now() });
          if (sequence === 1) throw new Error('no address');
        },
      }),
    );
    await reaches(transaction, up);
    const bad = await backEnd.send(opened.id);
    const good = await handled(backEnd, opened.id);
    assert.equal(good.status, 'handled');
    assert.deepEqual(
      calls.map(({ sequence }) => sequence),
      [1, 1, 1, 1, 1, 2],
    );
    const waits = calls.slice(1, 5).map(({ at }, index) => at - (calls[index]?.at ?? 0));
    for (const [index, wait] of waits.entries()) {
      const expected = 1000 * 2 ** index;
      assert.ok(wait > expected * 0.9, `wait ${index + 1} was ${wait} ms, not ${expected}`);
    }
    await becomes('failed', async () => (await backEnd.receipt(opened.id, bad.id)).status === 'failed');
    assert.equal((await backEnd.receipt(opened.id, bad.id)).error, 'no address');
    assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 2);
  },
);

eachNetwork('a handler that throws twice and then does not has handled the message', async ({ backEnd, open }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  await tab.load(() => {
    if (tab.calls.length < 3) throw new Error('not yet');
    return 'done';
  });
  const sent = await handled(backEnd, opened.id);
  assert.deepEqual([sent.status, sent.reply, tab.calls], ['handled', 'done', [1, 1, 1]]);
});

eachNetwork('without a handler every message is handled when it comes', async ({ backEnd, open }) => {
  const opened = await open();
  await using transaction = disposable(openTransaction(opened));
  for (let n = 0; n < 3; n++) assert.equal((await handled(backEnd, opened.id)).status, 'handled');
  assert.equal(transaction.messages.length, 3);
});

eachNetwork(
  'a thousand messages at once are handled in order and acked without a thousand calls',
  async ({ backEnd, open, proxy }) => {
    const opened = await open();
    const count = 1_050;
    const messages = Array.from({ length: count }, () => ({ transaction: opened.id, type: 'note', data: null }));
    for (let n = 0; n < count; n += 350) {
      const { status, text } = await backEnd.call('POST', '/v1/messages:batch', {
        json: { messages: messages.slice(n, n + 350) },
      });
      assert.equal(status, 200, text);
    }
    await using tab = new Tab(opened);
    const transaction = await tab.load();
    await becomes('all are acked', async () => (await backEnd.transaction(opened.id)).ackedSequence === count);
    assert.deepEqual(
      tab.calls,
      Array.from({ length: count }, (_, index) => index + 1),
    );
    assert.equal(transaction.messages.length, count);
    assert.ok(proxy.requests.length < 100, `${proxy.requests.length} requests`);
  },
);

const replies: readonly (readonly [what: string, reply: unknown, expected: unknown])[] = [
  ['nothing', undefined, undefined],
  ['null', null, null],
  ['zero', 0, 0],
  ['an empty text', '', ''],
  ['an object', { a: [1, { b: null }] }, { a: [1, { b: null }] }],
  ['what is too large for the server', 'x'.repeat(9_000), undefined],
  ['what is no JSON', 1n, undefined],
  ['what refers to itself', circular(), undefined],
  ['a function', () => 1, undefined],
];

eachNetwork('whatever a handler returns, it has handled its message, once; JSON is the reply', async ({ backEnd, open }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  await tab.load(({ sequence }) => replies[sequence - 1]?.[1]);
  for (const [what, , expected] of replies) {
    const sent = await handled(backEnd, opened.id);
    assert.deepEqual([sent.status, sent.reply, 'reply' in sent], ['handled', expected, expected !== undefined], what);
  }
  assert.deepEqual(
    tab.calls,
    replies.map((_, index) => index + 1),
  );
});

const errors: readonly (readonly [what: string, thrown: unknown, text: string])[] = [
  ['a long text', new Error('ä'.repeat(9_000)), 'ä'.repeat(2_700)],
  ['no error', 'just a text', 'just a text'],
  ['nothing', undefined, 'undefined'],
  ['an error without a text', new Error(''), '?'],
];

eachNetwork('what a handler throws is the reason of the failure', async ({ backEnd, open }) => {
  // A connection that is lost because the machine is busy counts the failures anew: five calls or more.
  using _ = slowed(10);
  await Promise.all(
    errors.map(async ([what, thrown, text]) => {
      const opened = await open();
      await using tab = new Tab(opened);
      await tab.load(() => {
        throw thrown;
      });
      const sent = await backEnd.send(opened.id);
      await becomes('failed', async () => (await backEnd.receipt(opened.id, sent.id)).status === 'failed');
      assert.equal((await backEnd.receipt(opened.id, sent.id)).error, text, what);
      assert.ok(tab.calls.length >= 5, `called only ${tab.calls.length} times`);
    }),
  );
});

overWebSockets(
  'a text that is too long for a server with smaller limits does not make a failure a success',
  async ({ backEnd, open }) => {
    const opened = await open();
    await using tab = new Tab(opened);
    await tab.load(({ sequence }) => {
      if (sequence === 1) throw new Error('x'.repeat(200));
    });
    const sent = await backEnd.send(opened.id);
    await backEnd.send(opened.id);
    await becomes('both are done with', async () => (await backEnd.transaction(opened.id)).ackedSequence === 2);
    assert.deepEqual([(await backEnd.receipt(opened.id, sent.id)).status, tab.calls], ['failed', [1, 1, 1, 1, 1, 2]]);
  },
  { limits: { replyBytes: 100 } },
);

eachNetwork(
  'two tabs each get every message; what one has handled does not hold up the other whose handler throws',
  async (network) => {
    const { backEnd, open, up } = network;
    const opened = await open();
    await using good = new Tab(opened);
    await using bad = new Tab(opened);
    await reaches(await good.load(() => 'good'), up);
    const isBroken = { value: true };
    await reaches(
      await bad.load(() => {
        if (isBroken.value) throw new Error('broken');
      }),
      up,
    );
    const sent = await handled(backEnd, opened.id);
    await becomes('the other has tried', () => bad.calls.length >= 1);
    isBroken.value = false;
    assert.equal((await handled(backEnd, opened.id)).status, 'handled');
    await becomes('the other goes on', () => bad.calls.at(-1) === 2);
    await becomes('the first goes on', () => good.calls.at(-1) === 2);
    assert.deepEqual(good.calls, [1, 2]);
    assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'handled');
  },
);

overWebSockets('a storage that throws costs nothing but the memory of the tab', async ({ backEnd, open }) => {
  const opened = await open();
  const broken = () => {
    throw new Error('denied');
  };
  const calls: Message[] = [];
  await using _ = disposable(
    openTransaction(opened, {
      storage: { getItem: broken, setItem: broken, removeItem: broken },
      onMessage: (m) => void calls.push(m),
    }),
  );
  assert.equal((await handled(backEnd, opened.id)).status, 'handled');
  assert.equal(calls.length, 1);
});

overWebSockets('what somebody else has put into the storage is not believed', async ({ backEnd, open }) => {
  for (const text of ['', 'null', '[]', '{}', '7', '["a"]', '[5,5,[],["x","y","z","u","v","w","t"]]', '[1,0,{},[]]']) {
    const opened = await open();
    const storage = new TabStorage();
    storage.setItem(`ringback:${opened.id}`, text);
    const calls: number[] = [];
    await using _ = disposable(openTransaction(opened, { storage, onMessage: ({ sequence }) => void calls.push(sequence) }));
    assert.equal((await handled(backEnd, opened.id)).status, 'handled');
    assert.equal((await handled(backEnd, opened.id)).status, 'handled');
    assert.ok(calls.includes(2), `${text}: ${calls.join()}`);
  }
});

function circular(): unknown {
  const value: Record<string, unknown> = {};
  value['self'] = value;
  return value;
}

function disposable<T extends { close(): Promise<void> }>(transaction: T): T & AsyncDisposable {
  return Object.assign(transaction, { [Symbol.asyncDispose]: () => transaction.close() });
}
