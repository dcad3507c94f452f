import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { eachSetting, eachTimedSetting } from '../fixtures/each-setting.ts';
import { request, type Answer } from '../fixtures/http-api.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { Page } from '../fixtures/page.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { startServer, stores, temporaryFolder, type TestServer } from '../fixtures/server.ts';

function negotiate(hubUrl: string, bearer: string): Promise<Answer> {
  return request('POST', `${hubUrl}/negotiate?negotiateVersion=1`, { bearer });
}

interface Negotiated {
  readonly connectionToken: string;
  /** The ticket; absent when the client has one already. */
  readonly accessToken: string | undefined;
}

async function negotiated(hubUrl: string, bearer: string): Promise<Negotiated> {
  const { status, body } = await negotiate(hubUrl, bearer);
  assert.equal(status, 200);
  assert.ok(typeof body === 'object' && body !== null && 'connectionToken' in body && typeof body.connectionToken === 'string');
  const accessToken = 'accessToken' in body ? String(body.accessToken) : undefined;
  return { connectionToken: body.connectionToken, accessToken };
}

/** A negotiated connection and the ticket for it. */
async function ticketed(hubUrl: string, accessToken: string): Promise<{ readonly id: string; readonly ticket: string }> {
  const { connectionToken, accessToken: ticket } = await negotiated(hubUrl, accessToken);
  assert.match(ticket ?? '', /^rbtk_[\w-]{43}$/);
  return { id: connectionToken, ticket: ticket ?? '' };
}

const HANDSHAKE = '{"protocol":"json","version":1}\u001e';

eachSetting(
  'no request of a stock client has the access token in its line, and only negotiate has it in a header',
  async (setting) => {
    const opened = await setting.backEnd.open();
    await using proxy = await Proxy.start(setting.url);
    const page = await setting.attach({ ...opened, hubUrl: proxy.through(opened.hubUrl) });
    await setting.backEnd.send(opened.id);
    await page.untilMessages(1);
    await page.ack(1);
    await page.connection.stop();
    const [first, ...others] = proxy.requests;
    assert.match(first?.line ?? '', /^POST \/hub\/negotiate\?negotiateVersion=1 /);
    assert.equal(first?.bearer, opened.accessToken);
    const verbs = new Set(others.map(({ line }) => line.split(' ', 1)[0]));
    const expected = { WebSockets: ['GET'], ServerSentEvents: ['GET', 'POST'], LongPolling: ['GET', 'POST', 'DELETE'] };
    assert.deepEqual(verbs, new Set(expected[setting.transport]));
    // A stream of events is asked for without headers, as a browser does.
    const shown = others.map(({ line, bearer }) => bearer ?? /[?&]access_token=(rbtk_[^ &]+)/.exec(line)?.[1]);
    assert.equal(new Set(shown).size, 1);
    assert.match(shown[0] ?? '', /^rbtk_/);
    for (const { line } of others) assert.ok(!line.includes('rbat_') && !line.includes(opened.accessToken), line);
  },
);

for (const store of stores) {
  test(`a client whose WebSocket fails negotiates again with its ticket, for a stream of events (${store.name})`, async () => {
    await using folder = await temporaryFolder();
    await using server = await startServer(store.at(folder.path));
    const opened = await server.backEnd.open();
    await using proxy = await Proxy.start(server.url);
    proxy.refusesUpgrades = true;
    await using page = await Page.open({ ...opened, hubUrl: proxy.through(opened.hubUrl) });
    await server.backEnd.send(opened.id);
    await page.untilMessages(1);
    await page.ack(1);
    const { connections, ackedSequence } = await server.backEnd.transaction(opened.id);
    assert.deepEqual(
      connections.map(({ transport }) => transport),
      ['ServerSentEvents'],
    );
    assert.equal(ackedSequence, 1);
    const negotiations = proxy.requests.filter(({ line }) => line.includes('/negotiate'));
    assert.deepEqual(
      negotiations.map(({ bearer }) => bearer?.slice(0, 5)),
      ['rbat_', 'rbtk_'],
    );
    assert.ok(proxy.requests.every(({ line }) => !line.includes('rbat_')));
  });
}

eachSetting('a ticket with which a connection has attached is good for nothing else', async (setting) => {
  const opened = await setting.backEnd.open();
  await using proxy = await Proxy.start(setting.url);
  await using page = await setting.attach({ ...opened, hubUrl: proxy.through(opened.hubUrl) });
  const ticket = proxy.requests.at(-1)?.bearer ?? '';
  assert.match(ticket, /^rbtk_/);
  assert.equal((await negotiate(opened.hubUrl, ticket)).status, 401);
  const other = await ticketed(opened.hubUrl, opened.accessToken);
  assert.equal((await request('GET', `${opened.hubUrl}?id=${other.id}`, { bearer: ticket })).status, 401);
  assert.equal((await request('GET', `${opened.hubUrl}?id=${other.id}`, { bearer: other.ticket })).status, 200);
  await setting.backEnd.send(opened.id);
  await page.untilMessages(1);
});

eachSetting('of two connections that begin with one ticket, one gets it', async (setting) => {
  const { hubUrl, accessToken } = await setting.backEnd.open();
  const { id: first, ticket } = await ticketed(hubUrl, accessToken);
  const { connectionToken: second, accessToken: another } = await negotiated(hubUrl, ticket);
  assert.equal(another, undefined);
  const polls = [first, second].map((id) => () => request('GET', `${hubUrl}?id=${id}`, { bearer: ticket }));
  for (const poll of polls) assert.equal((await poll()).status, 200);
  await Promise.all([first, second].map((id) => request('POST', `${hubUrl}?id=${id}`, { bearer: ticket, raw: HANDSHAKE })));
  const answers = await Promise.all(polls.map((poll) => poll()));
  const texts = answers.map(({ text }) => text.split('\u001e', 1)[0] ?? '');
  assert.deepEqual(texts.toSorted().reverse(), ['{}', '{"error":"The ticket of this connection is no longer good."}']);
  const winner = texts.indexOf('{}') === 0 ? first : second;
  await request('DELETE', `${hubUrl}?id=${winner}`, { bearer: ticket });
});

eachSetting('a ticket is good for the connections of its own transaction alone', async (setting) => {
  const [mine, other] = [await setting.backEnd.open(), await setting.backEnd.open()];
  const { ticket } = await ticketed(mine.hubUrl, mine.accessToken);
  const { id } = await ticketed(other.hubUrl, other.accessToken);
  assert.equal((await request('GET', `${mine.hubUrl}?id=${id}`, { bearer: ticket })).status, 403);
  assert.equal((await request('POST', `${mine.hubUrl}?id=${id}`, { bearer: ticket, raw: HANDSHAKE })).status, 403);
});

eachTimedSetting('a ticket that no connection has attached with is good for 60 s', async (setting) => {
  const { hubUrl, accessToken } = await setting.backEnd.open();
  const { ticket } = await ticketed(hubUrl, accessToken);
  await setting.pass(59_999);
  assert.equal((await negotiate(hubUrl, ticket)).status, 200);
  await setting.pass(1);
  assert.equal((await negotiate(hubUrl, ticket)).status, 401);
});

eachSetting('a ticket dies with its access token', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const { id, ticket } = await ticketed(opened.hubUrl, opened.accessToken);
  assert.equal((await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`)).status, 204);
  assert.equal((await negotiate(opened.hubUrl, ticket)).status, 401);
  assert.equal((await request('GET', `${opened.hubUrl}?id=${id}`, { bearer: ticket })).status, 401);
});

eachSetting('a ticket dies with its access token between the first poll and the handshake, too', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  const { id, ticket } = await ticketed(opened.hubUrl, opened.accessToken);
  const url = `${opened.hubUrl}?id=${id}`;
  assert.equal((await request('GET', url, { bearer: ticket })).status, 200);
  await backEnd.call('DELETE', `/v1/transactions/${opened.id}/tokens/${opened.tokenId}`);
  await request('POST', url, { bearer: ticket, raw: HANDSHAKE });
  assert.match((await request('GET', url, { bearer: ticket })).text, /no longer good/);
});

for (const store of stores) {
  test(`the ticket of a connection serves its polls and sends for as long as it lives (${store.name})`, async () => {
    const clock = new ManualClock();
    await using folder = await temporaryFolder();
    await using server = await startServer({ ...store.at(folder.path), clock });
    const opened = await server.backEnd.open();
    await using proxy = await Proxy.start(server.url);
    await using page = await Page.open({ ...opened, hubUrl: proxy.through(opened.hubUrl), transport: 'LongPolling' });
    for (let second = 0; second < 200; second++) {
      clock.advance(1_000);
      await request('GET', `${server.url}/health/live`);
    }
    await server.backEnd.send(opened.id);
    await page.untilMessages(1);
    await page.ack(1);
    assert.equal((await server.backEnd.transaction(opened.id)).ackedSequence, 1);
    assert.equal(proxy.requests.filter(({ line }) => line.includes('/negotiate')).length, 1);
  });
}

eachSetting('a page that comes back by itself is given another ticket', async (setting) => {
  const { backEnd } = setting;
  const opened = await backEnd.open();
  await using proxy = await Proxy.start(setting.url);
  await using page = await setting.attach({ ...opened, hubUrl: proxy.through(opened.hubUrl) }, { reconnects: 3 });
  await backEnd.send(opened.id);
  await page.untilMessages(1);
  await page.ack(1);
  // It may come back to another instance, which knows of the ack once it is written: at the latest when somebody asks.
  assert.equal((await backEnd.transaction(opened.id)).ackedSequence, 1);
  proxy.cut();
  await page.until(({ name }) => name === 'reconnected');
  await backEnd.send(opened.id);
  await page.untilMessages(2);
  assert.deepEqual(page.sequences, [1, 2]);
  const negotiations = proxy.requests.filter(({ line }) => line.includes('/negotiate'));
  assert.deepEqual(
    negotiations.map(({ bearer }) => bearer),
    [opened.accessToken, opened.accessToken],
  );
  const tickets = new Set(proxy.requests.flatMap(({ bearer }) => (bearer?.startsWith('rbtk_') === true ? [bearer] : [])));
  assert.equal(tickets.size, 2);
});

/** As a browser does: the bearer in the query, and an Origin. The status of a refusal, or 101. */
async function upgrade(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url.replace('http:', 'ws:'), { origin: new URL(url).origin });
  const open = once(socket, 'open').then(() => 101);
  open.catch(() => undefined);
  const refused = once(socket, 'unexpected-response').then((event) =>
    event[1] instanceof IncomingMessage ? event[1].statusCode : 0,
  );
  refused.catch(() => undefined);
  const status = await Promise.race([open, refused]);
  socket.on('error', () => undefined).terminate();
  return status;
}

/** The answers to every kind of request that a page begins with, its bearer in the query. */
async function statusesInQuery(server: TestServer, kind: 'token' | 'ticket'): Promise<Record<string, number | undefined>> {
  const { hubUrl, accessToken } = await server.backEnd.open();
  const origin = server.url;
  const query = ({ ticket }: { ticket: string }): string => `access_token=${kind === 'token' ? accessToken : ticket}`;
  const [first, forSocket, forPoll] = await Promise.all([1, 2, 3].map(() => ticketed(hubUrl, accessToken)));
  assert.ok(first && forSocket && forPoll);
  return {
    negotiate: (await request('POST', `${hubUrl}/negotiate?negotiateVersion=1&${query(first)}`, { origin })).status,
    direct: await upgrade(`${hubUrl}?${query(first)}`),
    webSocket: await upgrade(`${hubUrl}?id=${forSocket.id}&${query(forSocket)}`),
    poll: (await request('GET', `${hubUrl}?id=${forPoll.id}&${query(forPoll)}`, { origin })).status,
  };
}

test('an access token in a query is refused; a ticket is what belongs there, once it is given', async () => {
  await using server = await startServer();
  assert.deepEqual(await statusesInQuery(server, 'token'), { negotiate: 401, direct: 401, webSocket: 401, poll: 401 });
  assert.deepEqual(await statusesInQuery(server, 'ticket'), { negotiate: 401, direct: 101, webSocket: 101, poll: 200 });
});

test('an access token in a query is taken where that is allowed', async () => {
  await using server = await startServer({ allowTokenInQuery: true });
  assert.deepEqual(await statusesInQuery(server, 'token'), { negotiate: 200, direct: 101, webSocket: 101, poll: 200 });
});
