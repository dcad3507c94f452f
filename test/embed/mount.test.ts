import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { createRingback } from '../../src/index.ts';
import { transports } from '../fixtures/each-setting.ts';
import { request } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';
import { webhooks } from '../webhooks/delivery.ts';
import { frameworks, startApp } from './app.ts';

/** What nobody but us can mean, each answered as JSON, be it a refusal. */
const OURS = [
  '/v1/transactions',
  '/v1/transactions?a=1',
  '/v1/transactions/txn_x/messages',
  '/v1/transactions/nothing/of/ours',
  '/v1/messages:batch',
  '/callbacks/rbcb_unknown',
  '/webhooks/acme',
  '/webhooks/acme?a=1',
  '/health/live',
  '/health/ready',
  '/openapi.json',
];
const THEIRS = [
  '/v1',
  '/v1/products',
  '/v1/transactions2',
  '/v1/messages',
  '/v1/messages:batches',
  '/V1/transactions',
  '/callbacks',
  '/callbacks/oauth',
  '/callbacks/rbcb',
  '/callbacks/RBCB_unknown',
  '/webhooks',
  '/webhooks/',
  '/webhooks/stripe',
  '/webhooks/acme2',
  '/webhooks/ACME',
  '/webhooks/acme/more',
  '/Webhooks/acme',
  '/health',
  '/health/live/',
  '/health/Live',
  '/openapi.json/x',
  '/hubs',
  '/hub/settings',
];

/** Where an app may listen that is told no address, and where it is told one. */
const HOSTS = [undefined, '0.0.0.0', '127.0.0.1', ...(process.platform === 'linux' ? ['127.0.0.2'] : [])];

test('wherever the app listens, its own page may connect to the hub that it is told of', async () => {
  for (const host of HOSTS) {
    const ringback = await createRingback({ store: 'memory:' });
    const server = createServer();
    ringback.mount(server);
    server.listen({ port: 0, ...(host !== undefined && { host }) });
    await once(server, 'listening');
    try {
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      const own = `http://${host === '127.0.0.2' ? host : '127.0.0.1'}:${address.port}`;
      const { hubUrl, accessToken } = await ringback.open();
      assert.equal(hubUrl, `${own}/hub`);
      const answer = await request('POST', `${hubUrl}/negotiate?negotiateVersion=1`, { bearer: accessToken, origin: own });
      assert.equal(answer.status, 200, host);
    } finally {
      await ringback.close();
      server.closeAllConnections();
      server.close();
    }
  }
});

async function echo(url: string, text: string): Promise<string> {
  const socket = new WebSocket(url.replace('http:', 'ws:'));
  await once(socket, 'open');
  socket.send(text);
  const [data]: unknown[] = await once(socket, 'message');
  socket.close();
  return String(data);
}

for (const framework of frameworks) {
  for (const transport of transports) {
    test(`a message reaches the page of an app (${framework.name}, ${transport})`, async () => {
      await using app = await startApp(framework, { apiKeys: ['rbak_of-the-app-0123456789-0123456789'] });
      const opened = await app.ringback.open();
      assert.equal(opened.hubUrl, `${app.url}/hub`);
      await using page = await Page.open({ ...opened, transport });
      const waiting = app.ringback.send(opened.id, { type: 'paid', data: { n: 1 }, waitSeconds: 30 });
      await page.untilMessages(1);
      await page.ack(1, 'thanks');
      assert.partialDeepStrictEqual(await waiting, { status: 'handled', reply: 'thanks' });
      const byHttp = await request('POST', `${app.url}/v1/transactions/${opened.id}/messages`, {
        bearer: 'rbak_of-the-app-0123456789-0123456789',
        json: { type: 'paid', data: 2 },
      });
      assert.equal(byHttp.status, 202);
      await page.untilMessages(2);
      assert.deepEqual(page.sequences, [1, 2]);
    });
  }

  test(`the app's own routes and sockets work as without us (${framework.name})`, async () => {
    await using app = await startApp(framework);
    const shop = await request('GET', `${app.url}/shop`);
    assert.deepEqual([shop.status, shop.text], [200, 'the shop']);
    for (const path of ['/', '/hubs', '/v1x', '/health', '/shop/hub', '/metrics']) {
      const answer = await request('GET', app.url + path);
      assert.deepEqual([answer.status, answer.text], [404, 'the shop has no such page'], path);
    }
    assert.equal(await echo(`${app.url}/chat`, 'hello'), 'hello');
    const opened = await app.ringback.open();
    await using page = await Page.open({ ...opened, transport: 'WebSockets' });
    assert.equal(await echo(`${app.url}/chat`, 'beside a page'), 'beside a page');
    assert.equal(page.connection.state, 'Connected');
  });

  for (const prefix of ['', '/Pay-1/rb']) {
    test(`the app keeps webhooks, callbacks and a /v1 of its own (${framework.name}, prefix "${prefix}")`, async () => {
      await using app = await startApp(framework, { webhooks, prefix });
      const isOurs = async (path: string): Promise<boolean> => {
        const { headers, text } = await request('POST', app.url + prefix + path, { json: {} });
        const ours = /^application\/(?:problem\+)?json/.test(headers.get('content-type') ?? '');
        assert.equal(ours, text !== 'the shop has no such page', path);
        return ours;
      };
      for (const path of OURS) assert.ok(await isOurs(path), path);
      for (const path of THEIRS) assert.ok(!(await isOurs(path)), path);
      const negotiated = await request('POST', `${app.url}${prefix.toUpperCase()}/HUB/Negotiate?negotiateVersion=1`);
      assert.equal(negotiated.status, 401);
      if (prefix === '') return;
      assert.equal(
        (await request('POST', `${app.url}${prefix.toLowerCase()}/v1/transactions`)).text,
        'the shop has no such page',
      );
    });
  }

  test(`after close() the server is the app's alone (${framework.name})`, async () => {
    await using app = await startApp(framework);
    const opened = await app.ringback.open();
    const page = await Page.open({ ...opened, transport: 'WebSockets' });
    await app.ringback.close();
    await page.ended();
    const hub = await request('POST', `${app.url}/hub/negotiate?negotiateVersion=1`, { bearer: opened.accessToken });
    assert.deepEqual([hub.status, hub.text], [404, 'the shop has no such page']);
    assert.equal((await request('GET', `${app.url}/shop`)).text, 'the shop');
    assert.equal(await echo(`${app.url}/chat`, 'still here'), 'still here');
  });

  for (const transport of transports) {
    test(`everything of ours lies below a prefix (${framework.name}, ${transport})`, async () => {
      await using app = await startApp(framework, { prefix: '/Pay-1/rb' });
      const opened = await app.ringback.open();
      assert.equal(opened.hubUrl, `${app.url}/Pay-1/rb/hub`);
      await using page = await Page.open({ ...opened, transport });
      const callback = new URL(opened.callbackUrl ?? '');
      assert.match(callback.pathname, /^\/Pay-1\/rb\/callbacks\//);
      assert.equal((await request('POST', callback.href, { json: { by: 'the provider' } })).status, 202);
      await page.untilMessages(1);
      assert.partialDeepStrictEqual(page.messages, [{ type: 'callback', data: { by: 'the provider' } }]);
      assert.equal((await request('GET', `${app.url}/Pay-1/rb/health/live`)).status, 200);
      for (const path of ['/health/live', '/openapi.json', '/v1/transactions']) {
        assert.equal((await request('GET', app.url + path)).text, 'the shop has no such page', path);
      }
    });
  }
}

test('an app without sockets answers what asks for an upgrade as the plain request that it also is', async () => {
  const ringback = await createRingback({ store: 'memory:' });
  const server = createServer((incoming, response) => {
    incoming.setEncoding('utf8').on('data', (body: string) => response.end(`got ${body}`));
  });
  ringback.mount(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  // As Java's HTTP client begins.
  const socket = connect(address.port, '127.0.0.1').setEncoding('utf8');
  socket.write(
    'POST /shop HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody',
  );
  const [answer]: unknown[] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 OK\r\n[^]*got body/);
  socket.destroy();
  await ringback.close();
  server.close();
});

test('pages of an app without sockets get one, and its other upgrades stay plain requests, during and after', async () => {
  const ringback = await createRingback({ store: 'memory:', drainSeconds: 1 });
  const server = createServer((incoming, response) => void response.end(`plain ${incoming.url}`));
  ringback.mount(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const upgrade = async (path: string): Promise<string> => {
    const socket = connect(address.port, '127.0.0.1').setEncoding('utf8');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const [answer]: unknown[] = await once(socket, 'data');
    socket.destroy();
    return String(answer);
  };
  const opened = await ringback.open();
  const page = await Page.open({ ...opened, transport: 'WebSockets' });
  assert.equal((await ringback.transaction(opened.id)).connections[0]?.transport, 'WebSockets');
  assert.match(await upgrade('/shop'), /^HTTP\/1\.1 200 OK\r\n[^]*plain \/shop/);
  await ringback.close();
  await page.ended();
  assert.match(await upgrade('/hub'), /^HTTP\/1\.1 200 OK\r\n[^]*plain \/hub/);
  assert.equal(server.listenerCount('upgrade'), 0);
  server.close();
});
