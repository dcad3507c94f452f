/** What a tab keeps over a reload, a crash of the server, a restored database. `RINGBACK_LONG=1` for every combination. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import type { OpenedTransaction, Transaction } from '../../src/client/index.ts';
import { killAll, startAll } from '../arrangements/arrangement.ts';
import { arrangements } from '../arrangements/each-arrangement.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import { isLong } from '../fixtures/long.ts';
import { startServer, temporaryFolder } from '../fixtures/server.ts';
import { eachNetwork } from './each-network.ts';
import { HostileProxy } from './hostile-proxy.ts';
import { becomes, handled, reaches, Tab } from './tab.ts';

mock.method(console, 'warn', () => undefined);

eachNetwork('a page that reloads has all messages again, and its handler none of those', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const first = await tab.load();
  for (let n = 1; n <= 3; n++) await handled(backEnd, opened.id, { data: n });
  const shown = first.messages;
  assert.equal(shown.length, 3);
  const second = await tab.load();
  assert.equal(first.state, 'closed');
  await reaches(second, up);
  assert.deepEqual(second.messages, shown);
  await handled(backEnd, opened.id, { data: 4 });
  assert.deepEqual(tab.calls, [1, 2, 3, 4]);
  assert.equal(second.messages.length, 4);
});

eachNetwork(
  'a page that reloads after the end shows the outcome, and what came while it was away is handled',
  async (network) => {
    const { backEnd, open, up } = network;
    const opened = await open();
    await using tab = new Tab(opened);
    const first = await tab.load();
    await reaches(first, up);
    await first.close();
    const sent = await backEnd.send(opened.id, { type: 'paid' });
    await backEnd.settle(opened.id);
    for (let load = 1; load <= 2; load++) {
      const page = await tab.load();
      await reaches(page, 'settled');
      assert.deepEqual([page.messages.map(({ type }) => type), tab.calls], [['paid'], [1]]);
    }
    assert.equal((await backEnd.receipt(opened.id, sent.id)).status, 'handled');
  },
);

eachNetwork('what a handler has done that still ran when the page was closed is done once', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  const gate = Promise.withResolvers<string>();
  const first = await tab.load(() => gate.promise);
  const sent = await backEnd.send(opened.id);
  await becomes('the handler runs', () => tab.calls.length === 1);
  await first.close();
  gate.resolve('done');
  await becomes('it is acked', async () => (await backEnd.receipt(opened.id, sent.id)).status === 'handled');
  assert.equal((await backEnd.receipt(opened.id, sent.id)).reply, 'done');
  const second = await tab.load();
  await reaches(second, up);
  await handled(backEnd, opened.id);
  assert.deepEqual(tab.calls, [1, 2]);
});

eachNetwork(
  'a handler that still runs when the page opens the transaction again is waited for, not called again',
  async (network) => {
    const { backEnd, open } = network;
    const opened = await open();
    await using tab = new Tab(opened);
    const gate = Promise.withResolvers<void>();
    await tab.load(() => gate.promise);
    await backEnd.send(opened.id);
    await becomes('the handler runs', () => tab.calls.length === 1);
    const second = await tab.load();
    await becomes('all are here', () => second.messages.length === 1);
    gate.resolve();
    await handled(backEnd, opened.id);
    assert.deepEqual(tab.calls, [1, 2]);
    const third = await tab.load();
    await becomes('all are here', () => third.messages.length === 2);
    await handled(backEnd, opened.id);
    assert.deepEqual(tab.calls, [1, 2, 3]);
  },
);

eachNetwork('a failed message stays failed after a reload, and the one before it handled', async ({ backEnd, open, up }) => {
  const opened = await open();
  await using tab = new Tab(opened);
  await tab.load(({ sequence }) => {
    if (sequence === 2) throw new Error('no address');
  });
  const sent = [await backEnd.send(opened.id), await backEnd.send(opened.id)];
  await becomes('both are done with', async () => (await backEnd.transaction(opened.id)).ackedSequence === 2);
  await reaches(await tab.load(), up);
  await handled(backEnd, opened.id);
  const outcomes = await Promise.all(sent.map(({ id }) => backEnd.receipt(opened.id, id)));
  assert.deepEqual(
    outcomes.map(({ status, error }) => [status, error]),
    [
      ['handled', undefined],
      ['failed', 'no address'],
    ],
  );
  assert.deepEqual(tab.calls, [1, 2, 2, 2, 2, 2, 3]);
});

interface Crashing {
  readonly backEnd: BackEnd;
  readonly proxy: HostileProxy;
  readonly opened: OpenedTransaction;
  /** Nothing that the page says reaches the server any more, and then that is killed, and started again. */
  crash(): Promise<void>;
}

const FAST_TIME = new URL('fast-time.ts', import.meta.url).href;

const NETWORKS = [
  ['WebSockets', undefined],
  ['HTTP alone', /\/hub/],
] as const;

/** Registered so far: whose turn it is. */
let turn = 0;

/** @param short on which network it is tried by default, in one of the arrangements, in turn: the first crash is one of all instances */
function onCrashes(title: string, short: string | undefined, run: (crashing: Crashing) => Promise<void>): void {
  const pairs = NETWORKS.flatMap((network) => arrangements.map((arrangement) => [...network, arrangement] as const));
  const where = short === undefined ? undefined : arrangements.at(++turn % arrangements.length);
  for (const [network, blocked, arrangement] of pairs) {
    const { name, skip, spawn } = arrangement;
    if (!isLong && (network !== short || arrangement !== where)) continue;
    test(`${title} (${network}, ${name})`, { skip }, async () => {
      await using server = await spawn({ nodeArgs: ['--import', FAST_TIME] });
      const { backEnd } = server;
      await using proxy = await HostileProxy.start(server.url);
      proxy.blocked = blocked;
      const opened = proxy.through(await backEnd.open());
      const crash = async (): Promise<void> => {
        proxy.isFrozen = true;
        await killAll(server);
        proxy.cut();
        await startAll(server);
        proxy.isFrozen = false;
      };
      await run({ backEnd, proxy, opened, crash });
    });
  }
}

onCrashes('an ack that a crash has lost is said again by the page that reconnects', 'WebSockets', async (crashing) => {
  const { opened, proxy, crash } = crashing;
  await using tab = new Tab(opened);
  await tab.load(({ sequence }) => {
    proxy.isFrozen = sequence === 2;
    return { n: sequence };
  });
  await crashing.backEnd.send(opened.id);
  const sent = await crashing.backEnd.send(opened.id);
  await becomes('the handler has run', () => tab.calls.length === 2);
  await crash();
  await becomes('acked', async () => (await crashing.backEnd.transaction(opened.id)).ackedSequence === 2);
  const receipt = await crashing.backEnd.receipt(opened.id, sent.id);
  assert.deepEqual([receipt.status, receipt.reply, tab.calls], ['handled', { n: 2 }, [1, 2]]);
});

onCrashes('an ack that a crash has lost is said again by the page that reloads', 'HTTP alone', async (crashing) => {
  const { opened, proxy, crash } = crashing;
  await using tab = new Tab(opened);
  await tab.load(() => {
    proxy.isFrozen = true;
  });
  const sent = await crashing.backEnd.send(opened.id);
  await becomes('the handler has run', () => tab.calls.length === 1);
  const [[, kept] = assert.fail()] = tab.storage.items;
  await tab.leave();
  await crash();
  assert.match(kept, /^\[1,1,/u);
  await tab.load();
  await becomes('acked', async () => (await crashing.backEnd.receipt(opened.id, sent.id)).status === 'handled');
  assert.deepEqual(tab.calls, [1]);
});

for (const way of ['reconnects', 'reloads'] as const) {
  const short = way === 'reloads' ? 'WebSockets' : undefined;
  onCrashes(
    `a failure that a crash has lost is said again by the page that ${way}, before later acks`,
    short,
    async (crashing) => {
      const { opened, proxy, crash } = crashing;
      await using tab = new Tab(opened);
      await tab.load(({ sequence }) => {
        if (sequence !== 2) return 'fine';
        proxy.isFrozen = tab.calls.length === 6;
        throw new Error('no address');
      });
      const first = await crashing.backEnd.send(opened.id);
      const bad = await crashing.backEnd.send(opened.id);
      await becomes('the handler has failed', () => tab.calls.length === 6);
      // While nothing that it says at last reaches anybody.
      if (way === 'reloads') await tab.leave();
      await crash();
      assert.notEqual((await crashing.backEnd.receipt(opened.id, bad.id)).status, 'failed');
      if (way === 'reloads') await tab.load();
      const last = await handled(crashing.backEnd, opened.id);
      assert.equal(last.status, 'handled');
      const outcomes = await Promise.all([first, bad].map(({ id }) => crashing.backEnd.receipt(opened.id, id)));
      assert.deepEqual(
        outcomes.map(({ status, error }) => [status, error]),
        [
          ['handled', undefined],
          ['failed', 'no address'],
        ],
      );
      assert.deepEqual(tab.calls, [1, 2, 2, 2, 2, 2, 3]);
    },
  );
}

/** A transaction of which the server loses the last messages, since its file is restored from a backup: what the client makes of that does not depend on who has lost them. */
async function restored(
  network: RegExp | undefined,
  run: (scene: {
    tab: Tab;
    opened: OpenedTransaction;
    before: () => Promise<void>;
    restore: (page: Transaction) => Promise<BackEnd>;
  }) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'ringback.db');
  let server = await startServer({ store: `sqlite:${file}`, drainSeconds: 0 });
  await using _ = { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  await using proxy = await HostileProxy.start(server.url);
  proxy.blocked = network;
  const restart = async (): Promise<void> => {
    server = await startServer({ store: `sqlite:${file}`, drainSeconds: 0 });
    proxy.target = server.url;
  };
  const opened = proxy.through(await server.backEnd.open());
  await using tab = new Tab(opened);
  for (let n = 1; n <= 3; n++) await server.backEnd.send(opened.id, { id: `old-${n}` });
  await server.drain();
  await copyFile(file, `${file}.backup`);
  await restart();
  await run({
    tab,
    opened,
    before: async () => {
      for (let n = 4; n <= 6; n++) await handled(server.backEnd, opened.id, { id: `old-${n}` });
    },
    restore: async (page) => {
      await server.drain();
      await becomes('the page has seen that the server is away', () => ['reconnecting', 'closed'].includes(page.state));
      await copyFile(`${file}.backup`, file);
      await restart();
      return server.backEnd;
    },
  });
}

/** Which are tried by default: as many new messages as were lost is the case in which numbers tell nothing. */
const SHORT = ['WebSockets reconnects 0', 'WebSockets reconnects 3', 'WebSockets reloads 2', 'HTTP alone reconnects 3'];

for (const [network, blocked] of NETWORKS) {
  for (const way of ['reconnects', 'reloads'] as const) {
    for (const count of [0, 1, 2, 3, 5]) {
      if (!isLong && !SHORT.includes(`${network} ${way} ${count}`)) continue;
      test(`after a restored backup and ${count} new messages, a page that ${way} handles the new ones, and only those (${network})`, async () => {
        await restored(blocked, async ({ tab, opened, before, restore }) => {
          const called: string[] = [];
          const note = ({ id }: { id: string }): void => void called.push(id);
          const page = await tab.load(note);
          await before();
          assert.equal(page.messages.length, 6);
          if (way === 'reloads') await page.close();
          const backEnd = await restore(page);
          const ids = ['old-1', 'old-2', 'old-3'];
          for (let n = 0; n < count; n++) ids.push((await backEnd.send(opened.id, { id: `new-${n}` })).id);
          const after = way === 'reloads' ? await tab.load(note) : page;
          await becomes('the page shows what there is', () => after.messages.map(({ id }) => id).join() === ids.join());
          ids.push((await handled(backEnd, opened.id, { id: 'last' })).id);
          assert.deepEqual(
            after.messages.map(({ id }) => id),
            ids,
          );
          const old = ['old-1', 'old-2', 'old-3', 'old-4', 'old-5', 'old-6'];
          assert.deepEqual(called, [...old, ...ids.slice(3)]);
          await becomes('all are acked', async () => (await backEnd.transaction(opened.id)).ackedSequence === ids.length);
        });
      });
    }
  }
}
