/** The whole chain in Chromium: the demo's provider signs and sends a webhook, and the checkout that waits changes. */
import assert from 'node:assert/strict';
import { after, before, suite } from 'node:test';
import { ensureUi } from '../../scripts/build-ui.mjs';
import type { Running } from '../arrangements/arrangement.ts';
import { arrangements, eachArrangement, isForAll } from '../arrangements/each-arrangement.ts';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { eventually } from '../fixtures/eventually.ts';
import { request } from '../fixtures/http-api.ts';
import { isLong } from '../fixtures/long.ts';
import { serveDevelopmentUi } from './development-ui.ts';
import { Checkout, DemoApi, Provider, type Traced } from './demo.ts';
import { ENDING, OUT_OF_REACH } from './scene.ts';

const browser = testBrowser();
const SIGNALS = ['SIGKILL', 'SIGTERM'] as const;

/** What the sender is told of each message, once all are handled. */
async function handled(of: DemoApi, order: string, count = 1): Promise<readonly Traced[]> {
  await eventually(`${count} messages handled`, async () => {
    const { messages } = await of.trace(order);
    return messages.length === count && messages.every(({ status }) => status === 'handled');
  });
  return (await of.trace(order)).messages;
}

eachArrangement((arrangement) => {
  let server: Running;
  let api: DemoApi;
  /** Of what the page itself does, wherever its messages come from. */
  const pageTest = isForAll(arrangement) ? browserTest : () => undefined;

  before(async () => {
    await ensureUi();
    server = await arrangement.start({ demo: true, limits: { anonymousOpensPerMinute: 1000 } });
    api = await DemoApi.at(server.url);
  });
  after(() => server[Symbol.asyncDispose]());

  suite('the demo', { concurrency: 3 }, () => {
    browserTest('a person pays at the provider, and the checkout says so, with each step and its time', async () => {
      await using visitor = await browser.visitor();
      const checkout = await Checkout.open(visitor, api);
      await checkout.says('waiting');
      const provider = await checkout.provider();
      await provider.send('success');
      await checkout.says('paid');
      await provider.receipts('handled');
      await checkout.step('handled');
      const steps = await checkout.timeline();
      assert.deepEqual([...steps.keys()], ['opened', 'connected', 'received', 'delivered', 'handled']);
      const times = [...steps.values()];
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      const [message] = await handled(api, await checkout.order());
      assert.equal(message?.attempts, 1);
      assert.deepEqual(message?.reply, { shown: message?.type });
    });

    browserTest('the webhook comes before the transaction exists: it waits, and the page shows it', async () => {
      await using visitor = await browser.visitor();
      const provider = await Provider.open(visitor, api);
      await provider.send('success');
      await provider.page.getByTestId('parked').waitFor();
      const order = new URL(provider.page.url()).searchParams.get('order') ?? '';
      assert.equal((await api.trace(order)).transaction, null);
      const checkout = await Checkout.open(visitor, api, order);
      await checkout.says('paid');
      await provider.receipts('handled');
      assert.equal((await handled(api, order))[0]?.attempts, 1);
    });

    pageTest('the webhook comes before the page connects: the page shows it', async () => {
      await using visitor = await browser.visitor();
      const order = await api.order();
      await api.open(order);
      await api.send(order, 'success');
      assert.deepEqual((await api.trace(order)).transaction?.connections, []);
      const checkout = await Checkout.open(visitor, api, order);
      await checkout.says('paid');
      assert.equal((await handled(api, order))[0]?.attempts, 1);
    });

    pageTest('the page is reloaded while it waits, is paid, and shows so after every reload', async () => {
      await using visitor = await browser.visitor();
      const checkout = await Checkout.open(visitor, api);
      const order = await checkout.order();
      await checkout.page.reload();
      await checkout.connected();
      await checkout.says('waiting');
      assert.equal(await checkout.order(), order);
      await api.send(order, 'success');
      await checkout.says('paid');
      for (let reload = 0; reload < 2; reload++) {
        await checkout.page.reload();
        await checkout.connected();
        await checkout.says('paid');
        await checkout.step('handled');
        assert.equal(await checkout.order(), order);
      }
      assert.equal((await handled(api, order)).length, 1);
    });

    pageTest('a webhook that comes while the page is being reloaded is shown', async () => {
      await using visitor = await browser.visitor();
      const checkout = await Checkout.open(visitor, api);
      const order = await checkout.order();
      await Promise.all([checkout.page.reload(), api.send(order, 'authorised')]);
      await checkout.says('authorised');
      await Promise.all([api.send(order, 'success'), checkout.page.reload()]);
      await checkout.says('paid');
      await handled(api, order, 2);
    });

    pageTest('a repeat is one message, a wrong order stays paid, a forgery is refused, a refusal is told', async () => {
      await using visitor = await browser.visitor();
      const checkout = await Checkout.open(visitor, api);
      const provider = await checkout.provider();
      await provider.send('forged', 401);
      assert.deepEqual((await api.trace(await checkout.order())).messages, []);
      await checkout.says('waiting');
      await provider.send('failure');
      await checkout.says('declined');
      await handled(api, await checkout.order());

      await checkout.part.getByTestId('start-over').click();
      await checkout.says('waiting');
      await checkout.connected();
      const order = await checkout.order();
      await api.send(order, 'duplicate');
      await checkout.says('paid');
      assert.equal((await handled(api, order)).length, 1);
      await api.send(order, 'out-of-order');
      await eventually('all are handled', async () => {
        const { messages } = await api.trace(order);
        return messages.length > 1 && messages.every(({ status }) => status === 'handled');
      });
      await checkout.says('paid');
    });

    browserTest('two visitors side by side and two browsers: what is for one is shown to nobody else', async () => {
      await using visitor = await browser.visitor();
      await using stranger = await browser.visitor();
      const a = await Checkout.open(visitor, api);
      await a.page.getByTestId('second-visitor').click();
      const b = new Checkout(api, a.page, 'b');
      await b.connected();
      const c = await Checkout.open(stranger, api);
      const orders = await Promise.all([a, b, c].map((one) => one.order()));
      assert.equal(new Set(orders).size, 3);
      const [first = '', second = '', third = ''] = orders;
      await api.send(second, 'success');
      await b.says('paid');
      await handled(api, second);
      for (const other of [a, c]) await other.says('waiting');
      await api.send(third, 'failure');
      await c.says('declined');
      await handled(api, third);
      await a.says('waiting');
      await b.says('paid');
      assert.deepEqual((await api.trace(first)).messages, []);
      for (const order of [second, third]) assert.equal((await api.trace(order)).messages.length, 1);
      // Each shows its own after a reload, too.
      await a.page.reload();
      await a.says('waiting');
      await b.says('paid');
    });

    pageTest('two tabs of one visitor both show it', async () => {
      await using visitor = await browser.visitor();
      const one = await Checkout.open(visitor, api);
      const other = new Checkout(api, await one.popup('same-order-tab'));
      await other.connected();
      const order = await one.order();
      assert.equal(await other.order(), order);
      assert.equal((await api.trace(order)).transaction?.connections.length, 2);
      await api.send(order, 'success');
      for (const tab of [one, other]) await tab.says('paid');
      const [message] = await handled(api, order);
      assert.equal(message?.attempts, 2);
    });

    browserTest('WebSockets are blocked: the page is served by long polling', async () => {
      await using visitor = await browser.visitor();
      visitor.allow(...OUT_OF_REACH);
      await visitor.context.routeWebSocket(/\/hub/, (socket) => socket.close({ code: 1011, reason: 'blocked' }));
      const checkout = await Checkout.open(visitor, api);
      const order = await checkout.order();
      assert.deepEqual(
        (await api.trace(order)).transaction?.connections.map(({ transport }) => transport),
        ['LongPolling'],
      );
      await api.send(order, 'success');
      await checkout.says('paid');
      assert.equal((await handled(api, order))[0]?.attempts, 1);
    });

    pageTest('the hub is blocked: the page asks for its messages instead', async () => {
      await using visitor = await browser.visitor();
      visitor.allow(...OUT_OF_REACH);
      await visitor.context.route(/\/hub(\/|\?|$)/, (route) => route.abort('blockedbyclient'));
      const checkout = new Checkout(api, await api.page(visitor));
      await checkout.connected('polling');
      const order = await checkout.order();
      await api.send(order, 'success');
      await checkout.says('paid');
      await handled(api, order);
    });

    pageTest('in React’s StrictMode, which mounts everything twice, there is one connection and one handling', async () => {
      await using visitor = await browser.visitor();
      await serveDevelopmentUi(visitor.context, server.url);
      const negotiations: string[] = [];
      visitor.context.on('request', (request) => request.url().includes('/negotiate') && negotiations.push(request.url()));
      const scripts: string[] = [];
      visitor.context.on('response', async (response) => {
        if (response.url().endsWith('.js')) scripts.push(await response.text());
      });
      const checkout = await Checkout.open(visitor, api);
      assert.match(scripts.join(), /react-dom-client\.development/, 'it is really the build that mounts twice');
      const order = await checkout.order();
      await api.send(order, 'success');
      await checkout.says('paid');
      const [message] = await handled(api, order);
      assert.equal(message?.attempts, 1);
      assert.equal((await api.trace(order)).transaction?.connections.length, 1);
      assert.equal(negotiations.length, 1);
    });

    pageTest('the policy of every page is strict, and allows nothing that a page could be made to run', async () => {
      for (const path of ['/', '/provider']) {
        const { headers } = await request('GET', server.url + path);
        const policy = headers.get('content-security-policy') ?? '';
        assert.match(policy, /default-src 'none'/, policy);
        assert.match(policy, /script-src 'self'(;|$)/, policy);
        assert.match(policy, /require-trusted-types-for 'script'/, policy);
        assert.doesNotMatch(policy, /unsafe|\*|blob:|script-src[^;]*data:/, policy);
      }
    });
  });

  // One of them in each by default: that each ends an instance well is shown without the demo.
  const signals = SIGNALS.filter((_signal, at) => isLong || at === arrangements.indexOf(arrangement) % SIGNALS.length);

  suite('the demo’s server', { concurrency: 2 }, () => {
    for (const signal of signals) {
      browserTest(`ends by ${signal} while a page waits, each instance in turn, and starts again: the page is paid`, async () => {
        await using running = await arrangement.spawn({ args: ['--demo', '--drain-seconds', '1'] });
        const demo = await DemoApi.at(running.url);
        await using visitor = await browser.visitor();
        visitor.allow(...OUT_OF_REACH, ...ENDING);
        const checkout = await Checkout.open(visitor, demo);
        const order = await checkout.order();
        await demo.send(order, 'authorised');
        await checkout.says('authorised');
        await handled(demo, order);
        const isAlone = running.instances.length === 1;
        for (const instance of running.instances) {
          await instance.stop(signal);
          if (isAlone) await checkout.connected('reconnecting');
          // At the last one, since what is on a page is sent to it once more when it comes back.
          else if (instance === running.instances.at(-1)) await demo.send(order, 'success');
          await instance.start();
        }
        if (isAlone) await demo.send(order, 'success');
        await checkout.says('paid');
        await checkout.connected();
        const [, message] = await handled(demo, order, 2);
        assert.equal(message?.attempts, 1);
        await checkout.page.reload();
        await checkout.connected();
        await checkout.says('paid');
      });
    }
  });
});
