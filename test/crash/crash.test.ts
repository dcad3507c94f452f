/**
 * `kill -9` at every point that matters, under load, again and again on one file: whoever was told 202 finds the message
 * where the answer said, a webhook that was answered or repeated is there once, and a page that keeps its position gets each
 * message once. `RINGBACK_LONG=1` for many more.
 */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServerProcess, temporaryFolder } from '../fixtures/server.ts';
import { Shop } from './load.ts';
import { Orders } from './orders.ts';

const ROUNDS = process.env['RINGBACK_LONG'] === '1' ? 25 : 1;
const SENDERS = 4;
const MOST_HITS = 100;
const KILLER = new URL('./killer.ts', import.meta.url).href;

interface Load {
  readonly shop: Shop;
  readonly orders: Orders;
}

interface CrashPoint {
  readonly name: string;
  readonly channel: string;
  /** Die when what was written in the same turn has left, instead of at once. */
  readonly isLater?: true;
  /** Up to the how manieth of these may be the deadly one. Default: {@link MOST_HITS}. */
  readonly mostHits?: number;
  /** What goes on while it happens. Default: senders send to pages that wait, and a provider to transactions and to none. */
  readonly load?: (load: Load, server: ServerProcess) => Promise<void>;
}

const points: readonly CrashPoint[] = [
  { name: 'inside a batch', channel: 'ringback:sqlite.inside-batch' },
  { name: 'before the commit', channel: 'ringback:sqlite.before-commit' },
  { name: 'after the commit, before its answer', channel: 'ringback:sqlite.after-commit' },
  { name: 'after the commit, with the frame queued and the answer not made', channel: 'ringback:send.committed' },
  { name: 'after the answer, before the frame', channel: 'ringback:page.delivered', mostHits: 5, load: replay },
  { name: 'after the answer was written', channel: 'http.server.response.finish' },
  { name: 'after the frame, before its ack', channel: 'ringback:page.delivered', isLater: true },
  { name: 'after the ack, before its mark is written', channel: 'ringback:page.acked' },
  { name: 'as the drain begins', channel: 'ringback:drain.begun', mostHits: 1, load: drain },
  { name: 'during the drain', channel: 'ringback:drain.begun', isLater: true, mostHits: 1, load: drain },
];

/** All that the pages get was answered long before. */
async function replay({ shop }: Load): Promise<void> {
  await shop.leave();
  await shop.send(10);
  await shop.connect();
}

async function drain(load: Load, server: ServerProcess): Promise<void> {
  const sending = sendUntilDeath(load);
  server.child.kill('SIGTERM');
  await sending;
}

test('nothing that was answered is lost, doubled or moved when the process is killed anywhere', async (t) => {
  await using folder = await temporaryFolder();
  const store = `sqlite:${join(folder.path, 'ringback.db')}`;
  const hits = new Map<string, number>();
  // Starting is most of the work; Node writes its cache only in an orderly end.
  const cache = { NODE_COMPILE_CACHE: join(folder.path, 'cache') };
  const { secret, json } = Orders.configuration();
  await writeFile(join(folder.path, 'config.json'), json);
  const common = ['--store', store, '--config', join(folder.path, 'config.json')];
  await using first = await ServerProcess.start({ args: ['--port', '0', ...common], env: cache });
  const { port } = first;
  const shop = await Shop.open(first.backEnd);
  const orders = new Orders(first.backEnd, secret);
  assert.equal(await first.stop(), 0);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, point] of points.entries()) {
      const note = join(folder.path, 'hit');
      const hit = 1 + ((round * 37 + index * 11) % (point.mostHits ?? MOST_HITS));
      await using server = await ServerProcess.start({
        args: ['--port', port, ...common],
        nodeArgs: [`--import=${KILLER}`],
        env: {
          ...cache,
          CRASH_CHANNEL: point.channel,
          CRASH_HIT: String(hit),
          CRASH_FILE: note,
          CRASH_LATER: point.isLater ? ', later' : '',
        },
      });
      await shop.verify();
      await orders.verify();
      await writeFile(`${note}.armed`, '');
      await (point.load ?? sendUntilDeath)({ shop, orders }, server);
      assert.equal(await server.ended(), 'SIGKILL', `${point.name}: ${server.stderr}`);
      await shop.disconnected();
      assert.equal(
        await readFile(note, 'utf8'),
        `${point.channel}${point.isLater ? ', later' : ''} ${hit}\n`,
        `${point.name} was hit`,
      );
      hits.set(point.name, (hits.get(point.name) ?? 0) + 1);
      await Promise.all([rm(note), rm(`${note}.armed`)]);
    }
  }
  await using server = await ServerProcess.start({ args: ['--port', port, ...common], env: cache });
  await shop.verify();
  await orders.verify();
  await shop.leave();
  assert.equal(await server.stop(), 0);
  const { duplicate, stored } = shop.repeated;
  t.diagnostic(
    `${shop.sent} sent, ${shop.answered} answered; ${orders.answered} webhooks; repeated: ${duplicate} had arrived, ${stored} had not; kills: ${[...hits].map(([name, count]) => `${name} ${count}`).join(', ')}`,
  );
  assert.deepEqual(
    [...hits.values()],
    points.map(() => ROUNDS),
  );
  assert.ok(shop.answered > points.length * ROUNDS, 'there was a load');
  assert.ok(orders.answered > points.length * ROUNDS, 'there were webhooks');
  assert.ok(duplicate > 0 && stored > 0, 'it died on both sides of a commit');
});

async function sendUntilDeath({ shop, orders }: Load): Promise<void> {
  await Promise.all([shop.sendUntilDeath(SENDERS), orders.sendUntilDeath()]);
}
