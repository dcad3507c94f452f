/** Connections that are begun and left alone: they go by the clock, and leave nothing in memory. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageType } from '../../src/signalr/protocol/messages.ts';
import { allowAnybody, Hub } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { startHubServer } from '../signalr/hub-server.ts';
import { frame, RawSocket } from '../signalr/raw-client.ts';

const NEGOTIATED = 10_000;
const SOCKETS = 2_000;
const SLOW = 100;
/** The first ones load code and fill caches. */
const WARM_UP = 1_000;
const AT_ONCE = 50;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

async function heap(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    await new Promise(setImmediate);
    collect();
  }
  return process.memoryUsage().heapUsed;
}

async function start(limits: { readonly closeTimeoutMs?: number; readonly outputLimitBytes?: number } = {}) {
  const clock = new ManualClock();
  const handler = new Hub<undefined>({ methods: {}, clock });
  const server = await startHubServer({ handler, authenticate: allowAnybody, clock, ...limits });
  return { clock, handler, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** All of them, a few at a time. */
async function many(count: number, act: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Played by few, and then by all: by then everything that is kept for good is there. */
async function leavesNothing(t: TestContext, { few, all }: Counts, play: (count: number) => Promise<void>): Promise<void> {
  await play(few);
  const before = await heap();
  await play(all);
  const after = await heap();
  t.diagnostic(`heap ${before} before, ${after} after`);
  assert.ok(after <= before * 1.1, `the heap grew from ${before} to ${after} bytes`);
}

interface Counts {
  readonly few: number;
  readonly all: number;
}

test('ten thousand connections that are negotiated and abandoned leave nothing', async (t) => {
  await using hub = await start();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const negotiate = async (): Promise<void> => {
    const asked = request(`${hub.server.url}/negotiate?negotiateVersion=1`, { method: 'POST', agent }).end();
    const [response] = await once(asked, 'response');
    assert.equal(response.statusCode, 200);
    await once(response.resume(), 'close');
  };
  const round = async (count: number): Promise<void> => {
    await many(count, negotiate);
    assert.equal(hub.server.endpoint.connectionCount, count);
    hub.clock.advance(16_000);
    assert.equal(hub.server.endpoint.connectionCount, 0);
  };
  await leavesNothing(t, { few: WARM_UP, all: NEGOTIATED }, round);
  agent.destroy();
});

test('two thousand sockets that never finish the handshake are cut off, and leave nothing', async (t) => {
  await using hub = await start();
  const { port } = hub.server;
  const upgrade =
    'GET /hub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const round = async (count: number): Promise<void> => {
    const sockets: Socket[] = [];
    await many(count, async () => {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.write(upgrade);
      await once(socket, 'data');
      socket.resume().on('error', () => undefined);
    });
    assert.equal(hub.server.endpoint.connectionCount, count);
    hub.clock.advance(16_000);
    // The close frame stays unanswered.
    for (const socket of sockets) socket.end();
    await eventually('all are gone', async () => hub.server.endpoint.connectionCount === 0);
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close');
  };
  await leavesNothing(t, { few: WARM_UP, all: SOCKETS }, round);
});

/** Clients in the midst of a conversation, who read nothing from now on: not even that they are being left. */
async function deaf(count: number, url: string): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  await many(count, async () => {
    const socket = await RawSocket.join(url);
    sockets.push(socket);
    socket.webSocket.pause();
    socket.send(frame({ type: MessageType.ping }));
  });
  return sockets;
}

async function leave(socket: RawSocket): Promise<void> {
  const { webSocket } = socket;
  webSocket.resume();
  socket[Symbol.dispose]();
  if (webSocket.readyState !== webSocket.CLOSED) await once(webSocket, 'close');
}

test('two thousand sockets whose clients are gone without a word are given up, and leave nothing', async (t) => {
  await using hub = await start({ closeTimeoutMs: 10 });
  const { endpoint, url } = hub.server;
  const round = async (count: number): Promise<void> => {
    const sockets = await deaf(count, url);
    assert.equal(endpoint.connectionCount, count);
    await eventually('all are given up', async () => {
      hub.clock.advance(31_000);
      return endpoint.connectionCount === 0;
    });
    await Promise.all(sockets.map(leave));
  };
  await leavesNothing(t, { few: WARM_UP, all: SOCKETS }, round);
});

test('a hundred clients that read nothing of what is sent to all are dropped, and leave nothing', async (t) => {
  await using hub = await start({ outputLimitBytes: 2 ** 16 });
  const { endpoint, url } = hub.server;
  const round = async (count: number): Promise<void> => {
    const sockets = await deaf(count, url);
    for (let sent = 0; endpoint.connectionCount > 0; sent++) {
      assert.ok(sent < 5_000, `${endpoint.connectionCount} of ${count} are still there`);
      void hub.handler.clients.all.send('said', `${sent}`.repeat(2 ** 13));
      await new Promise(setImmediate);
    }
    await Promise.all(sockets.map(leave));
  };
  await leavesNothing(t, { few: SLOW / 4, all: SLOW }, round);
});
