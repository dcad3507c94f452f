/** Two instances on one database: whatever both do at once, it is as if one came after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../src/store/store.ts';
import { stored } from '../contract/store-subject.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { openPostgres, type OpenPostgres, type OpenPostgresOptions } from './postgres-fixture.ts';
import { event, message, transaction } from './sqlite-fixture.ts';

const ROUNDS = process.env['RINGBACK_LONG'] === '1' ? 1_000 : 60;

/** Registers a test with two stores on one new database. */
function race(
  title: string,
  run: (a: Store, b: Store, clock: ManualClock) => Promise<void>,
  limits: OpenPostgresOptions['limits'] = {},
): void {
  test(title, { skip: noPostgres }, async () => {
    await using database = await temporaryDatabase();
    const clock = new ManualClock();
    await using one: OpenPostgres = await openPostgres(database.url, { clock, limits });
    await using other: OpenPostgres = await openPostgres(database.url, { clock, limits });
    await run(one.store, other.store, clock);
  });
}

async function names(store: Store, id: string): Promise<readonly string[]> {
  return ((await store.read(id, { after: 0, limit: 1_000 }))?.messages ?? assert.fail(id)).map((each) => each.id);
}

function rounds(): readonly string[] {
  return Array.from({ length: ROUNDS }, (_, index) => `t${index}`);
}

race('the same key on both at once is one message', async (a, b) => {
  for (const id of rounds()) await a.open(transaction(id));
  const outcomes = await Promise.all(
    rounds().map(async (id) => {
      const call = { transactionId: id, key: 'key', type: 'note', data: '1' };
      const results = await Promise.all([a.append(call), b.append(call), a.append(call), b.append(call)]);
      assert.deepEqual(results.map(({ outcome }) => outcome).toSorted(), ['duplicate', 'duplicate', 'duplicate', 'stored']);
      assert.equal(new Set(results.map((result) => 'message' in result && result.message.id)).size, 1);
      return results.map(({ outcome }) => outcome).indexOf('stored');
    }),
  );
  assert.equal(outcomes.length, ROUNDS);
  for (const id of rounds()) assert.equal((await names(b, id)).length, 1);
});

race('an event for a transaction that the other opens is in it, parked before or not', async (a, b) => {
  const seen = new Set<string>();
  await Promise.all(
    rounds().map(async (id) => {
      const [received, opened] = await Promise.all([
        a.receive(event(`event ${id}`, `ref ${id}`)),
        b.open(transaction(id, { reference: `ref ${id}` })),
      ]);
      assert.equal(opened.outcome, 'opened');
      seen.add(received.outcome);
    }),
  );
  for (const outcome of seen) assert.ok(['parked', 'stored'].includes(outcome), outcome);
  for (const id of rounds()) assert.deepEqual(await names(a, id), [`message-event ${id}`]);
  assert.deepEqual((await b.sweep(1_000)).unclaimed, []);
});

race('the same event on both at once is taken once', async (a, b) => {
  for (const id of rounds().slice(0, ROUNDS / 2)) await a.open(transaction(id, { reference: `ref ${id}` }));
  await Promise.all(
    rounds().map(async (id) => {
      const calls = [a, b, a, b].map((store, index) => store.receive(event(`event ${id}`, `ref ${id}`, { id: `m${index}` })));
      const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome);
      assert.deepEqual(outcomes.filter((outcome) => outcome !== 'duplicate').length, 1, outcomes.join());
    }),
  );
  for (const [index, id] of rounds().entries()) {
    if (index >= ROUNDS / 2) await b.open(transaction(id, { reference: `ref ${id}` }));
    assert.equal((await names(a, id)).length, 1);
  }
});

race('one reference is given to one of two that open at once', async (a, b) => {
  await Promise.all(
    rounds().map(async (id) => {
      const opens = [a, b].map((store, index) => store.open(transaction(`${id} ${index}`, { reference: id })));
      assert.deepEqual((await Promise.all(opens)).map(({ outcome }) => outcome).toSorted(), ['opened', 'reference_taken']);
    }),
  );
});

race('one id is opened by both only with the same secret', async (a, b) => {
  await Promise.all(
    rounds().map(async (id) => {
      const same = await Promise.all([a.open(transaction(id)), b.open(transaction(id))]);
      assert.deepEqual(same[0], same[1]);
      const token = { id: 'token', hash: `other ${id}` };
      const [first, second] = await Promise.allSettled([a.open(transaction(`${id}+`)), b.open(transaction(`${id}+`, { token }))]);
      assert.deepEqual([first.status, second.status].toSorted(), ['fulfilled', 'rejected']);
    }),
  );
});

race(
  'both together open no more than the limit, to the last one',
  async (a, b, clock) => {
    for (let round = 0; round < 5; round += 1) {
      const opens = Array.from({ length: 40 }, (_, index) =>
        (index % 2 === 0 ? a : b).open(transaction(`${round} ${index}`, { ttlMs: 10 })),
      );
      const outcomes = (await Promise.all(opens)).map(({ outcome }) => outcome);
      assert.equal(outcomes.filter((outcome) => outcome === 'opened').length, 7, outcomes.join());
      // Some end by settle, some are forgotten, and the rest expires.
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome === 'opened' && index % 3 === 0) await b.settle(`${round} ${index}`);
        if (outcome === 'opened' && index % 3 === 1) await a.forget(`${round} ${index}`);
      }
      await Promise.all([a.sweep(100), b.sweep(100)]);
      clock.advance(10);
    }
  },
  { openTransactions: 7 },
);

race(
  'both together park no more than the limit',
  async (a, b) => {
    const parks = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? a : b).receive(event(`${index}`, `ref ${index}`)));
    const outcomes = (await Promise.all(parks)).map(({ outcome }) => outcome);
    assert.equal(outcomes.filter((outcome) => outcome === 'parked').length, 9, outcomes.join());
  },
  { parkedMessages: 9 },
);

race('a ticket is bound by one', async (a, b) => {
  await a.open(transaction('a'));
  await Promise.all(
    rounds().map(async (hash) => {
      await a.addTicket({ hash, transactionId: 'a', ttlMs: 1e6 });
      assert.deepEqual((await Promise.all([a.bindTicket(hash, `${hash} one`), b.bindTicket(hash, `${hash} two`)])).toSorted(), [
        false,
        true,
      ]);
    }),
  );
});

race('a connection is at one node, whatever tickets two have for it', async (a, b) => {
  await a.open(transaction('a'));
  await Promise.all(
    rounds().map(async (id) => {
      for (const hash of [`${id} 1`, `${id} 2`]) await a.addTicket({ hash, transactionId: 'a', ttlMs: 1e6 });
      const bound = await Promise.all([a.bindTicket(`${id} 1`, id, 'x'), b.bindTicket(`${id} 2`, id, 'y')]);
      assert.deepEqual(bound.toSorted(), [false, true]);
      const [winner, loser] = bound[0] === true ? (['x', 'y'] as const) : (['y', 'x'] as const);
      await a.saveConnections({
        added: [{ id, transactionId: 'a', node: winner, transport: 'WebSockets', since: 1 }],
        removed: [],
        node: winner,
      });
      // The other one is late to learn that it has lost the connection.
      await b.saveConnections({ added: [], removed: [id], node: loser });
      assert.equal((await a.findTicket(`${id} ${winner === 'x' ? 1 : 2}`))?.connectionId, id);
      await a.saveConnections({ added: [], removed: [id], node: winner });
      assert.equal(await a.findTicket(`${id} ${winner === 'x' ? 1 : 2}`), undefined);
    }),
  );
});

race('no ticket outlives its token', async (a, b) => {
  await a.open(transaction('a'));
  await Promise.all(
    rounds().map(async (name) => {
      await a.addToken('a', { id: name, hash: `hash ${name}` });
      await Promise.all([a.addTicket({ hash: name, transactionId: 'a', tokenId: name, ttlMs: 1e6 }), b.revokeToken('a', name)]);
      assert.equal(await a.findTicket(name), undefined);
    }),
  );
});

race('messages of both have one sequence without a gap, in whatever order transactions are written to', async (a, b) => {
  const ids = ['1', '2', '3', '4', '5', '6'];
  for (const id of ids) await a.open(transaction(id));
  const write = async (store: Store, order: readonly string[], name: string): Promise<void> => {
    await Promise.all(
      Array.from({ length: ROUNDS }, async (_, round) => {
        for (const id of order) stored(await store.append(message(id, `${name} ${round}`)));
        const marks = [{ kind: 'delivered', from: 1, to: 3, at: 1e13 }] as const;
        await Promise.all(order.map((id) => store.mark({ transactionId: id, marks })));
      }),
    );
  };
  await Promise.all([write(a, ids, 'a'), write(b, ids.toReversed(), 'b')]);
  for (const id of ids) {
    const page = (await a.read(id, { after: 0, limit: 5_000 })) ?? assert.fail();
    assert.deepEqual(
      page.messages.map(({ sequence }) => sequence),
      Array.from({ length: 2 * ROUNDS }, (_, index) => index + 1),
    );
    assert.equal((await a.receipt(id, page.messages[0]?.id ?? ''))?.attempts, 2 * ROUNDS, 'no delivery was lost');
  }
});

race('what is forgotten by one while the other writes to it leaves nothing', async (a, b) => {
  await Promise.all(
    rounds().map(async (id) => {
      await a.open(transaction(id, { reference: id }));
      const calls = [
        b.append(message(id, 'm')),
        b.addToken(id, { id: 'second', hash: `second ${id}` }),
        b.addTicket({ hash: id, transactionId: id, ttlMs: 1e6 }),
        b.receive(event(id, 'nobody', { recipient: { transactionId: id } })),
      ];
      assert.equal(await a.forget(id), true);
      await Promise.all(calls);
      assert.equal(await b.findToken(`second ${id}`), undefined);
      await b.open(transaction(id, { reference: id }));
      assert.deepEqual(await names(a, id), []);
    }),
  );
});

race('each transaction that is due is swept by one of both', async (a, b, clock) => {
  const ids = rounds();
  for (const id of ids) await a.open(transaction(id, { ttlMs: 1 }));
  clock.advance(1e9 + 1);
  const forgotten: string[] = [];
  for (let more = true; more;) {
    const results = await Promise.all([a.sweep(10), b.sweep(10), a.sweep(10)]);
    more = results.some((result) => result.more);
    forgotten.push(...results.flatMap((result) => result.forgotten));
  }
  assert.deepEqual(forgotten.toSorted(), ids.toSorted());
});

race('a message was not handled before it was delivered, however late what one of them says', async (a, b, clock) => {
  await a.open(transaction('t'));
  for (const id of ['m1', 'm2', 'm3']) await a.append(message('t', id));
  clock.advance(1_000);
  const now = clock.now();
  const delivered = { kind: 'delivered', from: 1, to: 1, at: now } as const;
  const handled = { kind: 'handled', upTo: 1, except: [], at: now - 70 } as const;
  await a.mark({ transactionId: 't', marks: [delivered] });
  await b.mark({ transactionId: 't', marks: [handled] });
  await b.mark({ transactionId: 't', marks: [{ ...handled, upTo: 2 }] });
  await a.mark({ transactionId: 't', marks: [{ ...delivered, from: 2, to: 2 }] });
  const both = [
    { ...handled, upTo: 3 },
    { ...delivered, from: 3, to: 3 },
  ] as const;
  await a.mark({ transactionId: 't', marks: both });
  const times = await Promise.all(['m1', 'm2', 'm3'].map((id) => a.receipt('t', id)));
  assert.deepEqual(
    times.map((receipt) => [receipt?.deliveredAt, receipt?.handledAt]),
    [
      [now, now],
      [now - 70, now - 70],
      [now - 70, now - 70],
    ],
  );
});
