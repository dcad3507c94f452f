/** `ringback/client` in Chromium, whatever happens to the page, its network and the server. */
import assert from 'node:assert/strict';
import { after, before, suite } from 'node:test';
import type { Running } from '../arrangements/arrangement.ts';
import { eachArrangement, isForAll } from '../arrangements/each-arrangement.ts';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { eventually } from '../fixtures/eventually.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { freeze, hidingBrowser } from './hiding-browser.ts';
import { ENDING, OUT_OF_REACH, Scene, Shop } from './scene.ts';

const browser = testBrowser();
let shop: Shop;

before(async () => {
  shop = await Shop.open();
});
after(() => shop[Symbol.asyncDispose]());

eachArrangement((arrangement) => {
  let server: Running;
  /** Of what the page itself does, wherever its messages come from. */
  const pageTest = isForAll(arrangement) ? browserTest : () => undefined;

  before(async () => {
    server = await arrangement.start({ allowedOrigins: [shop.url] });
  });
  after(() => server[Symbol.asyncDispose]());

  const scene = (): Promise<Scene> => Scene.open({ browser, shop, url: server.url, backEnd: server.backEnd });

  suite('a page that waits', { concurrency: 4 }, () => {
    browserTest('shows what came before it and what comes now, handles each once, and the sender is told', async () => {
      await using visit = await scene();
      const early = await visit.send('paid');
      assert.equal((await visit.receipt(early)).status, 'stored');
      const tab = await visit.tab();
      await tab.shows({ state: 'open', messages: '1 paid', calls: '1 paid' });
      const live = await visit.sendAndWait('shipped');
      assert.partialDeepStrictEqual(live, { status: 'handled', attempts: 1, reply: { calls: 2 } });
      await tab.shows({ messages: '1 paid, 2 shipped', calls: '1 paid, 2 shipped' });
      assert.partialDeepStrictEqual(await visit.receipt(early), { status: 'handled', attempts: 1 });
      assert.deepEqual(await visit.transports(), ['WebSockets']);
    });

    pageTest('calls a handler that threw again, and the receipt tells how often', async () => {
      await using visit = await scene();
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      const id = await visit.send('paid', { refusals: 1 });
      await tab.shows({ messages: '1 paid', calls: '1 paid, 1 paid' });
      await eventually('handled', async () => (await visit.receipt(id)).status === 'handled');
      assert.equal((await visit.receipt(id)).attempts, 2);
    });

    pageTest('is reloaded while it waits, and after the outcome: shows the outcome, and does not handle it again', async () => {
      await using visit = await scene();
      const tab = await visit.tab();
      await tab.shows({ state: 'open', messages: '' });
      await tab.page.reload();
      await tab.shows({ state: 'open', messages: '' });
      assert.partialDeepStrictEqual(await visit.sendAndWait('paid'), { status: 'handled', attempts: 1 });
      for (let reload = 0; reload < 2; reload++) {
        await tab.page.reload();
        await tab.shows({ state: 'open', messages: '1 paid', calls: '1 paid' });
      }
      // The handler is not run for what it has handled, but runs on for what is new.
      await visit.sendAndWait('shipped');
      await tab.shows({ messages: '1 paid, 2 shipped', calls: '1 paid, 2 shipped' });
    });

    browserTest('is offline and comes back: what was sent meanwhile is handled once', async () => {
      await using visit = await scene();
      visit.visitor.allow(...OUT_OF_REACH);
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      await visit.visitor.context.setOffline(true);
      visit.proxy.cut(); // Chromium lets open WebSockets live through its offline mode
      await tab.shows({ state: 'reconnecting' });
      const id = await visit.send('paid');
      await tab.shows({ messages: '' });
      await visit.visitor.context.setOffline(false);
      await tab.shows({ state: 'open', messages: '1 paid', calls: '1 paid' });
      await eventually('handled', async () => (await visit.receipt(id)).status === 'handled');
    });

    browserTest('loses its connection with an ack on the way: the message ends handled, and is not handled twice', async () => {
      await using visit = await scene();
      visit.visitor.allow(...OUT_OF_REACH);
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      visit.proxy.isDeaf = true; // from here on no ack arrives
      const id = await visit.send('paid');
      await tab.shows({ messages: '1 paid', calls: '1 paid' });
      assert.notEqual((await visit.receipt(id)).status, 'handled');
      visit.proxy.isDeaf = false;
      visit.proxy.cut();
      await eventually('handled', async () => (await visit.receipt(id)).status === 'handled');
      await tab.shows({ state: 'open', messages: '1 paid', calls: '1 paid' });
    });

    browserTest('is open in two tabs: both show and handle, also the one that was away while the other acked', async () => {
      await using visit = await scene();
      visit.visitor.allow(...OUT_OF_REACH);
      await using away = await Proxy.start(server.url);
      const [one, other] = [await visit.tab(), await visit.tab(away)];
      for (const tab of [one, other]) await tab.shows({ state: 'open' });
      const both = await visit.sendAndWait('authorised');
      assert.equal(both.status, 'handled');
      for (const tab of [one, other]) await tab.shows({ messages: '1 authorised', calls: '1 authorised' });
      assert.equal((await visit.receipt(both.id)).attempts, 2);

      away.isDeaf = true;
      away.cut();
      await other.shows({ state: 'reconnecting' });
      assert.partialDeepStrictEqual(await visit.sendAndWait('paid'), { status: 'handled', attempts: 1 });
      await other.shows({ messages: '1 authorised' });
      away.isDeaf = false;
      away.cut();
      for (const tab of [one, other]) {
        await tab.shows({ state: 'open', messages: '1 authorised, 2 paid', calls: '1 authorised, 2 paid' });
      }
    });
  });

  suite('a page in the background', () => {
    pageTest('is frozen and woken: what came meanwhile is handled once', async () => {
      await using hiding = await hidingBrowser();
      await using visit = await Scene.open({ browser: hiding, shop, url: server.url, backEnd: server.backEnd });
      visit.visitor.allow(...OUT_OF_REACH);
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      const frozen = await freeze(tab.page);
      const first = await visit.sendAndWait('authorised', 1);
      assert.notEqual(first.status, 'handled', 'it is really frozen');
      visit.proxy.cut(); // as the network does to a page that sleeps long
      const second = await visit.send('paid');
      await frozen.wake();
      await tab.shows({ state: 'open', messages: '1 authorised, 2 paid', calls: '1 authorised, 2 paid' });
      await eventually('handled', async () => (await visit.receipt(second)).status === 'handled');
      assert.equal((await visit.receipt(first.id)).status, 'handled');
    });

    pageTest('is left and come back to, kept by the browser as it was: what came meanwhile is handled once', async () => {
      await using hiding = await hidingBrowser();
      await using visit = await Scene.open({ browser: hiding, shop, url: server.url, backEnd: server.backEnd });
      visit.visitor.allow(...OUT_OF_REACH);
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      await tab.page.goto('about:blank');
      const id = await visit.send('paid');
      await tab.page.goBack({ waitUntil: 'commit' }); // a page that was kept is not loaded
      await tab.shows({ state: 'open', messages: '1 paid', calls: '1 paid' });
      assert.equal(await tab.page.evaluate('document.body.dataset.isRevived'), 'true');
      await eventually('handled', async () => (await visit.receipt(id)).status === 'handled');
      await visit.sendAndWait('shipped');
      await tab.shows({ messages: '1 paid, 2 shipped', calls: '1 paid, 2 shipped' });
    });
  });

  suite('a page behind something that blocks', { concurrency: 2 }, () => {
    browserTest('WebSockets is served by long polling', async () => {
      await using visit = await scene();
      visit.visitor.allow(...OUT_OF_REACH);
      visit.proxy.refusesUpgrades = true;
      const tab = await visit.tab();
      await tab.shows({ state: 'open' });
      assert.deepEqual(await visit.transports(), ['LongPolling']);
      assert.partialDeepStrictEqual(await visit.sendAndWait('paid'), { status: 'handled', attempts: 1, reply: { calls: 1 } });
      await tab.shows({ messages: '1 paid', calls: '1 paid' });
    });

    pageTest('the hub asks for its messages, acks them, and reloads as any other', async () => {
      await using visit = await scene();
      visit.visitor.allow(...OUT_OF_REACH);
      await visit.visitor.context.route(/\/hub(\/|\?|$)/, (route) => route.abort('blockedbyclient'));
      const tab = await visit.tab();
      await tab.shows({ state: 'polling' });
      assert.partialDeepStrictEqual(await visit.sendAndWait('paid'), { status: 'handled', attempts: 1, reply: { calls: 1 } });
      await tab.page.reload();
      await tab.shows({ state: 'polling', messages: '1 paid', calls: '1 paid' });
      assert.deepEqual(await visit.transports(), []);
    });
  });

  suite('the server', { concurrency: 2 }, () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      browserTest(
        `ends by ${signal}, each instance in turn, and starts again while a page waits: nothing is lost, nothing is handled twice`,
        async () => {
          const args = ['--allowed-origin', shop.url, '--drain-seconds', '1'];
          await using running = await arrangement.spawn({ args });
          await using visit = await Scene.open({ browser, shop, url: running.url, backEnd: running.backEnd });
          visit.visitor.allow(...OUT_OF_REACH, ...ENDING);
          const tab = await visit.tab();
          await tab.shows({ state: 'open' });
          const before = await visit.sendAndWait('authorised');
          assert.equal(before.status, 'handled');
          const isAlone = running.instances.length === 1;
          let id = '';
          for (const instance of running.instances) {
            assert.equal(await instance.stop(signal), signal === 'SIGKILL' ? signal : 0);
            if (isAlone) await tab.shows({ state: 'reconnecting', messages: '1 authorised' });
            // At the last one, since a page is sent the last message once more when it comes back.
            else if (instance === running.instances.at(-1)) id = await visit.send('paid');
            await instance.start();
          }
          if (isAlone) id = await visit.send('paid');
          await tab.shows({ state: 'open', messages: '1 authorised, 2 paid', calls: '1 authorised, 2 paid' });
          await eventually('handled', async () => (await visit.receipt(id)).status === 'handled');
          assert.equal((await visit.receipt(id)).attempts, 1);
          assert.equal((await visit.receipt(before.id)).status, 'handled');
          await tab.page.reload();
          await tab.shows({ state: 'open', messages: '1 authorised, 2 paid', calls: '1 authorised, 2 paid' });
        },
      );
    }
  });
});
