/**
 * The durations in the files of `deploy/` beside those of the server; and balancers that run with them, all long ones shortened in
 * the same proportion, in front of an instance that takes its time in that proportion.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, type LogLevel } from '@microsoft/signalr';
import { WebSocket } from 'ws';
import type { Unpacked } from '../fixtures/apt.ts';
import { eventually } from '../fixtures/eventually.ts';
import { freePort } from '../fixtures/free-port.ts';
import { request } from '../fixtures/http-api.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import type { Page } from '../../src/server/hub/page.ts';
import { Endpoint, Hub } from '../../src/signalr/index.ts';
import { resolveEndpointOptions } from '../../src/signalr/transport/endpoint-options.ts';
import { resolveHubOptions } from '../../src/signalr/hub/hub-options.ts';
import { Balancer, allInstalled, kinds, sourceOf, type BalancerKind } from './balancer.ts';
import { Upstream } from './upstream.ts';

/** By how much the long durations are shortened: no more, since a busy machine is late, and the hub up to a second. */
const FASTER = 25;

const endpointOptions = { handler: new Hub<Page>({ methods: {} }), authenticate: () => ({ status: 401 }) };
const { pollTimeoutMs } = resolveEndpointOptions(endpointOptions);
const { keepAliveIntervalMs, clientTimeoutMs } = resolveHubOptions({ methods: {} });
/** Of the contract: `Prefer: wait` is capped there. */
const LONGEST_WAIT_MS = 30_000;

/** The setting, in ms. */
function setting(kind: BalancerKind, name: string): number {
  const found = [...sourceOf(kind).matchAll(new RegExp(`^[^#\\n]*\\b${name} (\\d+)s;?$`, 'gm'))];
  assert.equal(found.length, 1, `${name} in ${kind.file}`);
  return Number(found[0]?.[1]) * 1000;
}

/** What waits for an answer, for each kind that has a time-out for it; and what keeps an idle connection to an instance. */
const SETTINGS = {
  nginx: {
    answers: ['proxy_read_timeout', 'proxy_send_timeout'],
    idle: 'keepalive_timeout',
    connecting: 'proxy_connect_timeout',
  },
  HAProxy: {
    answers: ['timeout client', 'timeout server', 'timeout tunnel'],
    idle: 'pool-purge-delay',
    connecting: 'timeout connect',
  },
  // It waits for as long as it takes.
  Caddy: { answers: [], idle: 'keepalive', connecting: 'dial_timeout' },
} as const;

const programs = new Map(await allInstalled());

// They mostly wait, and so they do it together.
describe('time-outs', { concurrency: true }, () => {
  for (const kind of kinds) of(kind);
});

function of(kind: BalancerKind): void {
  const { answers, idle, connecting } = SETTINGS[kind.name];

  test(`${kind.file}: longer than a poll, a wait and two missed pings; shorter than our keep-alive`, async () => {
    await using endpoint = new Endpoint<Page>(endpointOptions);
    const server = createHttpServer({ listener: () => undefined, endpoint, hubPath: '/hub' });
    assert.ok(pollTimeoutMs >= 90_000 && server.keepAliveTimeout >= 60_000 && keepAliveIntervalMs > 0);
    for (const name of answers) {
      const ms = setting(kind, name);
      assert.ok(
        ms >= pollTimeoutMs + 15_000 && ms >= LONGEST_WAIT_MS + 15_000 && ms >= clientTimeoutMs + keepAliveIntervalMs,
        name,
      );
    }
    assert.ok(setting(kind, idle) <= server.keepAliveTimeout - 10_000, idle);
    assert.ok(setting(kind, connecting) <= 5_000, connecting);
    // What the instances are told of the time-outs is not what they are by accident: the comments name them.
    assert.match(sourceOf(kind), new RegExp(`${server.keepAliveTimeout / 1000} s`));
  });

  const unpacked = programs.get(kind) ?? assert.fail();
  const through = (title: string, run: (kind: BalancerKind, unpacked: Unpacked) => Promise<void>): void => {
    test(`${kind.name}: ${title}`, 'problem' in unpacked ? { skip: unpacked.problem } : {}, async () => {
      assert.ok(!('problem' in unpacked));
      await run(kind, unpacked);
    });
  };
  through('what a page waits for is not cut, not held back, and not raced', patience);
  through('the official client, to which nothing is said, outlives all of them by pings and by polls', outlives);
  through('while every instance says that its database is away, pages keep what they have', databaseAway);
}

const AT_ONCE = 4;
const scaled = (ms: number): number => ms / FASTER;

async function patience(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  let next = Promise.withResolvers<void>();
  // Several at once, so that each has a connection of its own: a balancer that asks for health may keep two of them in use.
  const together: ServerResponse[] = [];
  await using upstream = await Upstream.start((incoming, response) => {
    const path = incoming.url ?? '';
    if (path.startsWith('/health/')) response.end('{}');
    else if (path.startsWith('/hub?id=poll')) setTimeout(() => response.end('polled'), scaled(pollTimeoutMs));
    else if (path.startsWith('/hub?id=late')) setTimeout(() => response.end('late'), scaled(180_000));
    else if (path.startsWith('/v1/wait')) setTimeout(() => response.end('waited'), scaled(LONGEST_WAIT_MS));
    else if (path.startsWith('/hub?id=events')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      void (async () => {
        for (let n = 0; n < 20; n++) {
          response.write(`data: ${n}\n\n`);
          await next.promise;
          next = Promise.withResolvers();
        }
        response.end();
      })();
    } else {
      together.push(response);
      if (together.length % AT_ONCE === 0) for (const one of together.slice(-AT_ONCE)) one.end('ok');
    }
  }, scaled(75_000));
  await using folder = await temporaryFolder();
  const place = { folder: folder.path, port: await freePort(), instances: [upstream.port, upstream.port] as const };
  await using balancer = await Balancer.start({ kind, unpacked, ...place, faster: FASTER });
  const { url } = balancer;
  const [poll, late, waited] = await Promise.all([
    request('GET', `${url}/hub?id=poll`),
    request('GET', `${url}/hub?id=late`).then(
      ({ status }) => status,
      () => 0,
    ),
    request('POST', `${url}/v1/wait`),
    silentSocket(url),
    readEvents(url, () => next.resolve()),
  ]);
  assert.equal(poll.text, 'polled');
  assert.equal(waited.text, 'waited');
  // Where there is a time-out, this shows that it was in force, and so short.
  if (kind.name === 'Caddy') assert.equal(late, 200);
  else assert.notEqual(late, 200);
  // A machine that is busy may be late with it, once or twice.
  for (let tries = 0, isGivenUp = false; !isGivenUp; tries++) {
    assert.ok(tries < 3, 'an instance gives an idle connection up before the balancer does');
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => request('GET', `${url}/`)));
    assert.ok(answers.every(({ text }) => text === 'ok'));
    const idle = together.slice(-AT_ONCE).map(({ req }) => req.socket);
    await eventually('an idle connection is given up', async () => idle.some(({ destroyed }) => destroyed));
    isGivenUp = idle.some((socket) => upstream.givenUp.includes(socket));
  }
}

/** Once a second at the most. In so many of them, and of polls, the longest of the balancer's time-outs is over. */
const PINGS = 7;
const POLLS = 3;

const SOMEBODY: Page = {
  transactionId: 'txn_0',
  tokenId: undefined,
  credentialHash: undefined,
  ticketHash: undefined,
  after: undefined,
};

async function outlives(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  const intervalMs = scaled(keepAliveIntervalMs);
  await using endpoint = new Endpoint<Page>({
    handler: new Hub<Page>({ methods: { echo: (_context, value) => value }, keepAliveIntervalMs: intervalMs }),
    authenticate: () => ({ principal: SOMEBODY }),
    pollTimeoutMs: scaled(pollTimeoutMs),
  });
  const server = createHttpServer({ listener: (_request, response) => response.end('{}'), endpoint, hubPath: '/hub' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using _server = { [Symbol.asyncDispose]: () => closed(server) };
  const address = server.address();
  assert.ok(address !== null && typeof address !== 'string');
  const { port } = address;
  await using folder = await temporaryFolder();
  const place = { folder: folder.path, port: await freePort(), instances: [port, port] as const };
  await using balancer = await Balancer.start({ kind, unpacked, ...place, faster: FASTER });
  const stay = async (transport: 'WebSockets' | 'LongPolling', heard: RegExp, times: number): Promise<void> => {
    let count = 0;
    const log = (_level: LogLevel, text: string): void => void (heard.test(text) && count++);
    const connection = new HubConnectionBuilder()
      .withUrl(`${balancer.url}/hub`, { transport: HttpTransportType[transport] })
      .configureLogging({ log })
      .build();
    connection.keepAliveIntervalInMilliseconds = intervalMs;
    let ended: unknown = 'not at all';
    connection.onclose((error) => (ended = error));
    await connection.start();
    const id = connection.connectionId;
    await eventually(`${transport}: ${times} signs of life`, async () => count >= times || ended !== 'not at all');
    assert.equal(ended, 'not at all', transport);
    assert.deepEqual([await connection.invoke('echo', 'still there'), connection.connectionId], ['still there', id]);
    await connection.stop();
  };
  await Promise.all([
    stay('WebSockets', /WebSockets transport\) data received/, PINGS),
    stay('LongPolling', /Poll timed out/, POLLS),
  ]);
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

/** Nothing is said for two missed pings. */
async function silentSocket(url: string): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/hub?id=silent`);
  await once(socket, 'open');
  await new Promise((resolve) => setTimeout(resolve, scaled(clientTimeoutMs)));
  socket.send('still there');
  const [data] = await once(socket, 'message');
  assert.equal(String(data), 'still there');
  socket.close();
  await once(socket, 'close');
}

/** Each event is sent only when the one before it has arrived: one that is held back is waited for in vain. */
async function readEvents(url: string, onEvent: () => void): Promise<void> {
  const response = await fetch(`${url}/hub?id=events`, {
    headers: { accept: 'text/event-stream' },
    signal: AbortSignal.timeout(20_000),
  });
  let text = '';
  let seen = 0;
  assert.ok(response.body !== null);
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const count = text.split('\n\n').length - 1;
    if (count > seen) onEvent();
    seen = count;
  }
  assert.equal(seen, 20);
}

async function databaseAway(kind: BalancerKind, unpacked: Unpacked): Promise<void> {
  await using upstream = await Upstream.start((incoming, response) => {
    const path = incoming.url ?? '';
    if (path.startsWith('/hub?id=') || path === '/health/live') response.end('polled');
    else
      response
        .writeHead(503, { 'retry-after': '1', 'content-type': 'application/problem+json' })
        .end('{"code":"store_unavailable"}');
  });
  await using folder = await temporaryFolder();
  const place = { folder: folder.path, port: await freePort(), instances: [upstream.port, upstream.port] as const };
  await using balancer = await Balancer.start({ kind, unpacked, ...place });
  if (kind.asksHealth) {
    await eventually('their health was asked', async () => upstream.paths.filter((path) => path === '/health/ready').length >= 6);
  }
  for (let n = 0; n < 6; n++) {
    assert.equal((await request('GET', `${balancer.url}/hub?id=poll`)).text, 'polled');
    const refused = await request('POST', `${balancer.url}/v1/transactions`, { json: {} });
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
    assert.match(refused.headers.get('content-type') ?? '', /^application\/problem\+json/);
  }
}
