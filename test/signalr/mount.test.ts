/** An endpoint in servers that are somebody else's: each transport works there, and so does all that was there before. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, createSecureServer } from 'node:http2';
import { createServer as createTlsServer, request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import express from 'express';
import Fastify from 'fastify';
import { WebSocket, WebSocketServer } from 'ws';
import {
  allowAnybody,
  attach,
  attachUpgrades,
  Endpoint,
  expressHandler,
  fastifyPlugin,
  Hub,
  type HttpServer,
} from '../../src/signalr/index.ts';
import { selfSigned } from '../fixtures/self-signed.ts';
import { frame, negotiate, RawSocket, shake } from './raw-client.ts';

const transports = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;

function createEndpoint(): Endpoint<undefined> {
  const handler = new Hub<undefined>({
    methods: {
      echo: (_context, value) => value,
      where: ({ connection }) => connection.request.url.href,
      header: ({ connection }, name) => connection.request.headers[String(name)] ?? null,
      transport: ({ connection }) => connection.transport,
    },
  });
  return new Endpoint({ handler, authenticate: allowAnybody });
}

async function listening(server: HttpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** The official client over each transport; what it does goes there and back. */
async function worksOverAll(url: string): Promise<void> {
  for (const transport of transports) {
    const options = { transport: HttpTransportType[transport] };
    const client = new HubConnectionBuilder().withUrl(`${url}?room=7`, options).configureLogging(LogLevel.None).build();
    await client.start();
    assert.deepEqual(await client.invoke('echo', { ä: [1, null] }), { ä: [1, null] });
    assert.equal(await client.invoke('transport'), transport);
    const where = new URL(await client.invoke('where'));
    assert.deepEqual([where.origin, where.pathname, where.searchParams.get('room')], [new URL(url).origin, '/app/hub', '7']);
    await client.stop();
  }
}

async function closed(server: Server, endpoint: Endpoint<undefined>): Promise<void> {
  await endpoint[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

async function firstWords(socket: WebSocket): Promise<string> {
  const [data]: unknown[] = await once(socket, 'message');
  return String(data);
}

test('a server of node:http keeps its routes, and its other WebSockets, whoever came first', async () => {
  const endpoint = createEndpoint();
  const server = createServer((request, response) => response.end(`the app's ${request.url}`));
  const theirs = new WebSocketServer({ noServer: true });
  const listen = (path: string) =>
    server.on('upgrade', (request, socket, head) => {
      if (request.url === path) theirs.handleUpgrade(request, socket, head, (webSocket) => webSocket.send(path));
    });
  listen('/before');
  attach(server, '/app/hub', endpoint);
  listen('/after');
  const url = `http://127.0.0.1:${await listening(server)}`;
  await worksOverAll(`${url}/app/hub`);
  for (const path of ['/before', '/after']) {
    const socket = new WebSocket(url.replace('http', 'ws') + path);
    assert.equal(await firstWords(socket), path);
    socket.terminate();
  }
  for (const path of ['/', '/app/hub2', '/app/hub/other', '/app']) {
    assert.equal(await (await fetch(url + path)).text(), `the app's ${path}`);
  }
  assert.equal((await fetch(`${url}/APP/Hub/Negotiate/`, { method: 'POST' })).status, 200, 'paths match without regard to case');
  await closed(server, endpoint);
});

test('a WebSocket server that refuses every path but its own does not refuse ours', async () => {
  const endpoint = createEndpoint();
  const server = createServer();
  const other = new WebSocketServer({ server, path: '/other' });
  other.on('connection', (socket) => socket.send('hello'));
  const detach = attach(server, '/app/hub', endpoint);
  const url = `http://127.0.0.1:${await listening(server)}`;
  using socket = await RawSocket.join(`${url}/app/hub`);
  const theirs = new WebSocket(`${url.replace('http', 'ws')}/other`);
  assert.equal(await firstWords(theirs), 'hello');
  theirs.terminate();
  detach();
  const late = new WebSocket(`${url.replace('http', 'ws')}/app/hub`);
  const [error]: unknown[] = await once(late, 'error');
  assert.match(String(error), /400/, 'detached, it is answered by the app');
  socket.call('echo', 'still open');
  assert.match(await socket.next(), /still open/);
  await closed(server, endpoint);
});

test('where nobody listens for upgrades, those of others stay the requests that they are', async () => {
  const endpoint = createEndpoint();
  const server = createServer((_request, response) => response.end('plain'));
  attach(server, '/app/hub', endpoint);
  const url = `http://127.0.0.1:${await listening(server)}`;
  for (const path of ['/elsewhere', '/app/hub/negotiate']) {
    const socket = new WebSocket(url.replace('http', 'ws') + path);
    const [error]: unknown[] = await once(socket, 'error');
    assert.match(String(error), path === '/elsewhere' ? /200/ : /405/);
  }
  await closed(server, endpoint);
});

test('two endpoints share a server', async () => {
  const [one, other] = [createEndpoint(), createEndpoint()];
  const server = createServer();
  attach(server, '/one', one);
  attach(server, '/other', other);
  const url = `http://127.0.0.1:${await listening(server)}`;
  using _ = await RawSocket.join(`${url}/one`);
  await negotiate(`${url}/other`);
  await negotiate(`${url}/other`);
  assert.deepEqual([one.connectionCount, other.connectionCount], [1, 2]);
  await other[Symbol.asyncDispose]();
  await closed(server, one);
});

test('many endpoints share a server, and their listeners', async () => {
  const [server, endpoint] = [createServer(), createEndpoint()];
  for (let count = 0; count < 20; count++) attach(server, `/hub${count}`, endpoint);
  assert.equal(server.listenerCount('upgrade'), 1);
  await endpoint[Symbol.asyncDispose]();
});

test(
  'what offers to go on with HTTP/2 is a request like any other',
  { skip: !('shouldUpgradeCallback' in createServer()) },
  async () => {
    const endpoint = createEndpoint();
    const server = createServer();
    // What there is for others is not for ours.
    server.on('upgrade', (_request, socket) => socket.destroy());
    attach(server, '/app/hub', endpoint);
    const url = `http://127.0.0.1:${await listening(server)}/app/hub`;
    const offer = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' };
    const ask = async (target: string, method: string, body = ''): Promise<string> => {
      const sent = request(target, { method, agent: false, headers: { ...offer, 'Content-Length': body.length } });
      sent.end(body);
      const [response]: IncomingMessage[] = await once(sent, 'response');
      assert.ok(response !== undefined);
      return `${response.statusCode} ${await text(response)}`;
    };
    assert.match(await ask(`${url}/negotiate`, 'POST'), /^200 .*connectionId/);
    const { url: polled } = await negotiate(url);
    assert.equal(await ask(polled, 'GET'), '200 ');
    assert.equal(await ask(polled, 'POST', shake), '200 ');
    assert.equal(await ask(polled, 'GET'), '200 {}\u001e');
    assert.equal(await ask(polled, 'DELETE'), '202 ');
    await closed(server, endpoint);
  },
);

test('a path that cannot be one is refused', () => {
  for (const path of ['', '/', 'hub', '/hub/']) assert.throws(() => attach(createServer(), path, createEndpoint()), TypeError);
});

test('Express: what runs before the handler sees its requests, and the hub their whole address', async () => {
  const endpoint = createEndpoint();
  const app = express();
  const seen = new Set<string>();
  app.use(express.json(), (request, _response, next) => {
    seen.add(request.method);
    next();
  });
  app.use('/app/hub', expressHandler(endpoint));
  app.get('/', (_request, response) => void response.send('home'));
  const server = createServer(app);
  attachUpgrades(server, '/app/hub', endpoint);
  const url = `http://127.0.0.1:${await listening(server)}`;
  await worksOverAll(`${url}/app/hub`);
  assert.deepEqual(seen, new Set(['POST', 'GET', 'DELETE']));
  assert.equal(await (await fetch(url)).text(), 'home');
  assert.equal((await fetch(`${url}/app/hub/other`)).status, 404);
  await closed(server, endpoint);
});

test('Fastify: bodies of any type are left to the endpoint, those of the app to the app, and a close ends the connections', async () => {
  const endpoint = createEndpoint();
  const app = Fastify();
  const seen = new Set<string>();
  app.addHook('onRequest', async ({ method }) => void seen.add(method));
  await app.register(fastifyPlugin(endpoint), { prefix: '/app/hub' });
  app.post('/orders', async ({ body }) => body);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  await worksOverAll(`${url}/app/hub`);
  assert.deepEqual(seen, new Set(['POST', 'GET', 'DELETE']));
  const headers = { 'content-type': 'application/json' };
  const order = await fetch(`${url}/orders`, { method: 'POST', headers, body: '{"n":1}' });
  assert.deepEqual(await order.json(), { n: 1 });
  const { url: named } = await negotiate(`${url}/app/hub`);
  await fetch(named);
  const body = await fetch(named, { method: 'POST', headers: { 'content-type': 'application/json' }, body: shake });
  assert.equal(body.status, 200);
  using socket = await RawSocket.join(`${url}/app/hub`);
  const poll = fetch(named);
  await poll;
  await app.close();
  assert.equal(await socket.next(), '{"type":7,"allowReconnect":true}');
  assert.equal(endpoint.connectionCount, 0);
});

test('TLS: the hub sees that its address is https', async () => {
  const endpoint = createEndpoint();
  const { cert, key } = selfSigned();
  const server = createTlsServer({ cert, key });
  attach(server, '/app/hub', endpoint);
  const port = await listening(server);
  const socket = new WebSocket(`wss://127.0.0.1:${port}/app/hub`, { ca: cert, rejectUnauthorized: false });
  await once(socket, 'open');
  socket.send(shake);
  assert.equal(await firstWords(socket), '{}\u001e');
  socket.send('{"type":1,"invocationId":"1","target":"where","arguments":[]}\u001e');
  assert.match(await firstWords(socket), new RegExp(`"https://127.0.0.1:${port}/app/hub"`));
  const answer = tlsRequest({ port, path: '/app/hub/negotiate', method: 'POST', rejectUnauthorized: false }).end();
  const [response] = await once(answer, 'response');
  assert.equal(response.statusCode, 200);
  response.resume();
  socket.terminate();
  await closed(server, endpoint);
});

/** A client over HTTP/2. */
class Http2Client {
  readonly session;

  constructor(port: number) {
    this.session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  }

  open(method: string, path: string, headers: Record<string, string> = {}) {
    return this.session.request({ ':method': method, ':path': path, ...headers }, { endStream: method !== 'POST' });
  }

  async ask(method: string, path: string, body = ''): Promise<string> {
    const stream = this.open(method, path);
    if (method === 'POST') stream.end(body);
    const [headers] = await once(stream, 'response');
    return `${headers[':status']} ${await text(stream)}`.trim();
  }
}

test('HTTP/2: negotiate, polls and events over it, WebSockets over the HTTP/1.1 of the same server', async () => {
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const endpoint = createEndpoint();
  const { cert, key } = selfSigned();
  const server = createSecureServer({ cert, key, allowHTTP1: true }, (_request, response) => response.end('home'));
  attach(server, '/app/hub', endpoint);
  const port = await listening(server);
  const client = new Http2Client(port);
  const begin = async (): Promise<string> => {
    const answer: { connectionToken: string } = JSON.parse(
      (await client.ask('POST', '/app/hub/negotiate?negotiateVersion=1')).slice(4),
    );
    return `/app/hub?id=${answer.connectionToken}`;
  };
  assert.equal(await client.ask('GET', '/'), '200 home');

  const polled = await begin();
  assert.equal(await client.ask('GET', polled), '200');
  assert.equal(await client.ask('POST', polled, shake), '200');
  assert.equal(await client.ask('GET', polled), '200 {}\u001e');
  const poll = client.ask('GET', polled);
  assert.equal(await client.ask('POST', polled, '{"type":1,"invocationId":"1","target":"where","arguments":[]}\u001e'), '200');
  assert.match(await poll, new RegExp(`"result":"https://127.0.0.1:${port}/app/hub"`));
  const torn = client.open('GET', polled);
  torn.on('error', () => undefined);
  await client.ask('GET', '/');
  torn.close();
  await once(torn, 'close');
  await client.ask('POST', polled, '{"type":1,"invocationId":"2","target":"header","arguments":[":path"]}\u001e');
  assert.match(await client.ask('GET', polled), /"result":null/, 'what the poll that left would have got, the next one gets');
  const waiting = client.ask('GET', polled);
  assert.equal(await client.ask('DELETE', polled), '202');
  assert.equal(await waiting, `200 ${frame({ type: 7, allowReconnect: true })}`);
  assert.equal(await client.ask('GET', polled), '404 No Connection with that ID');
  assert.equal(await client.ask('PUT', polled), '405');

  const streamed = await begin();
  const events = client.open('GET', streamed, { accept: 'text/event-stream' });
  events.setEncoding('utf8');
  const chunks = events[Symbol.asyncIterator]();
  assert.equal((await chunks.next()).value, ':\r\n');
  assert.equal(await client.ask('POST', streamed, shake), '200');
  assert.equal((await chunks.next()).value, 'data: {}\u001e\r\n\r\n');
  assert.equal(await client.ask('POST', streamed, 'x'.repeat(2 ** 20 + 1)), '413');
  assert.equal(endpoint.connectionCount, 1);
  events.close();
  await once(events, 'close');
  assert.equal(await client.ask('POST', streamed, 'x'), '404 No Connection with that ID');
  assert.equal(endpoint.connectionCount, 0);

  const socket = new WebSocket(`wss://127.0.0.1:${port}/app/hub`, { rejectUnauthorized: false });
  await once(socket, 'open');
  socket.send(shake);
  assert.equal(await firstWords(socket), '{}\u001e');
  socket.terminate();
  client.session.close();
  await endpoint[Symbol.asyncDispose]();
  server.close();
  await once(server, 'close');
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});
