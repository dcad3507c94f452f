import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authenticate } from '../../src/index.ts';
import { transports } from '../fixtures/each-setting.ts';
import { request } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { frameworks, startApp, type App } from './app.ts';

const [framework] = frameworks;
assert.ok(framework);

/** What the app knows of its visitors. */
interface Visitors {
  readonly transactions: Map<string, string>;
  /** The bearer of every request that the app was asked about. */
  readonly bearers: (string | undefined)[];
}

function visitors(): Visitors {
  return { transactions: new Map(), bearers: [] };
}

function byQuery({ transactions, bearers }: Visitors): Authenticate {
  return ({ query, headers }) => {
    bearers.push(headers.authorization);
    const transactionId = transactions.get(query.get('session') ?? '');
    return transactionId === undefined ? null : { transactionId };
  };
}

function byCookie({ transactions, bearers }: Visitors): Authenticate {
  return async ({ headers }) => {
    bearers.push(headers.authorization);
    const transactionId = transactions.get(/\bsession=(\w+)/.exec(headers.cookie ?? '')?.[1] ?? '');
    return Promise.resolve(transactionId === undefined ? null : { transactionId });
  };
}

interface Way {
  readonly name: string;
  authenticate(visitors: Visitors): Authenticate;
  /** What a stock client, without any token, is given. */
  client(hubUrl: string): { readonly hubUrl: string; readonly client: { readonly headers: Record<string, string> } };
}

const ways: readonly Way[] = [
  { name: 'query', authenticate: byQuery, client: (hubUrl) => ({ hubUrl: `${hubUrl}?session=s1`, client: { headers: {} } }) },
  { name: 'cookie', authenticate: byCookie, client: (hubUrl) => ({ hubUrl, client: { headers: { cookie: 'session=s1' } } }) },
];

async function startShop(authenticate: Authenticate): Promise<App> {
  assert.ok(framework);
  return startApp(framework, { authenticate });
}

for (const way of ways) {
  for (const transport of transports) {
    test(`the app's own ${way.name} names the transaction, also when the page comes back (${transport})`, async () => {
      const known = visitors();
      await using app = await startShop(way.authenticate(known));
      const { id, hubUrl } = await app.ringback.open();
      known.transactions.set('s1', id);
      await using proxy = await Proxy.start(app.url);
      const { hubUrl: url, client } = way.client(proxy.through(hubUrl));
      await using page = await Page.open({ hubUrl: url, client, transport, reconnects: 3 });
      await app.ringback.send(id, { type: 'note', data: 1 });
      await page.untilMessages(1);
      await page.ack(1);
      proxy.cut();
      await page.until(({ name }) => name === 'reconnected');
      await app.ringback.send(id, { type: 'note', data: 2 });
      await page.untilMessages(2);
      assert.deepEqual(page.sequences, [1, 2]);
      // It came without anything, and came back with a ticket that was spent: the app decided both times.
      assert.deepEqual(
        known.bearers.map((bearer) => bearer?.replace(/_.*/, '')),
        [undefined, 'Bearer rbtk'],
      );
    });

    test(`a page that the app no longer knows by its ${way.name} does not come back (${transport})`, async () => {
      const known = visitors();
      await using app = await startShop(way.authenticate(known));
      const { id, hubUrl } = await app.ringback.open();
      known.transactions.set('s1', id);
      await using proxy = await Proxy.start(app.url);
      const { hubUrl: url, client } = way.client(proxy.through(hubUrl));
      await using page = await Page.open({ hubUrl: url, client, transport, reconnects: 2 });
      known.transactions.clear();
      proxy.cut();
      await page.ended();
      // It was asked again, and refused each time that it was.
      assert.ok(known.bearers.length >= 2);
      assert.ok(page.calls.every(({ name }) => name !== 'reconnected'));
    });
  }
}

test('a page that the app does not know, or whose transaction is gone, is answered 401', async () => {
  const known = visitors();
  await using app = await startShop(byQuery(known));
  const { id } = await app.ringback.open();
  known.transactions.set('gone', id);
  await app.ringback.forget(id);
  for (const query of ['', '&session=unknown', '&session=gone']) {
    const answer = await request('POST', `${app.url}/hub/negotiate?negotiateVersion=1${query}`);
    assert.deepEqual([answer.status, answer.text, answer.headers.get('www-authenticate')], [401, '', 'Bearer'], query);
  }
  await assert.rejects(Page.open({ hubUrl: `${app.url}/hub?session=unknown` }), /401/);
});

test('where the app decides, an access token of ours says nothing', async () => {
  const known = visitors();
  await using app = await startShop(byQuery(known));
  const opened = await app.ringback.open();
  const answer = await request('POST', `${app.url}/hub/negotiate?negotiateVersion=1`, { bearer: opened.accessToken });
  assert.equal(answer.status, 401);
  assert.deepEqual(known.bearers, [`Bearer ${opened.accessToken}`]);
});

test('a handler that throws costs its request alone, and tells nothing', async () => {
  let isBroken = true;
  const logged: object[] = [];
  const known = visitors();
  const authenticate: Authenticate = (asked) => {
    if (isBroken) throw new Error('the password of the database is hunter2');
    return byQuery(known)(asked);
  };
  const log = (fields: object): void => void logged.push(fields);
  const logger = { debug: log, info: log, warn: log, error: log };
  assert.ok(framework);
  await using app = await startApp(framework, { authenticate, logger });
  const { id } = await app.ringback.open();
  known.transactions.set('s1', id);
  const negotiate = `${app.url}/hub/negotiate?negotiateVersion=1&session=s1`;
  const answer = await request('POST', negotiate);
  assert.deepEqual([answer.status, answer.text], [500, '']);
  assert.ok(logged.some((fields) => 'event' in fields && fields.event === 'signalr.authenticate.failed'));
  isBroken = false;
  assert.equal((await request('POST', negotiate)).status, 200);
});
