/** What happens when a peer is not what it seems, or not there; and what a stranger gets. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect } from 'node:tls';
import { silentLogger } from '../../src/logger.ts';
import { PeerServer } from '../../src/server/peers/peer-server.ts';
import { caller, callingFor } from '../../src/server/peers/secure-channel.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { urlOf } from '../fixtures/sockets.ts';
import { key, OWNER, passing, tcpServer, tlsServer, Way } from './way.ts';

/** Notes its warnings, and shows everything else as text. */
function notingLogger() {
  const warnings: Record<string, unknown>[] = [];
  return { ...silentLogger, warnings, warn: (fields: object) => void warnings.push({ ...fields }) };
}

test('a peer that says nothing is given up after seconds', async () => {
  const clock = new ManualClock();
  let calls = 0;
  await using silent = await tcpServer(() => void calls++);
  await using way = await Way.open({ clock, address: silent.address });
  for (const [at, method] of ['GET', 'POST', 'DELETE'].entries()) {
    const answer = fetch(way.url, { method, ...(method === 'POST' && { body: 'x' }) });
    await eventually('it is called', async () => calls > at);
    const ms = await passing(clock, () => way.outcomes.length > 0);
    assert.ok(ms >= 3_000 && ms <= 6_000, `${method} after ${ms} ms`);
    assert.equal((await answer).statusText, 'unreachable');
    assert.equal(way.outcomes.pop(), 'unreachable');
  }
});

test('who connects and says nothing does not keep the server from ending', { timeout: 5_000 }, async () => {
  const clock = new ManualClock();
  const server = await PeerServer.listen(
    { node: OWNER, key, answer: () => undefined, clock, logger: silentLogger },
    { host: '127.0.0.1', port: 0 },
  );
  const socket = connectTcp(server.port, '127.0.0.1');
  await once(socket, 'connect');
  await server[Symbol.asyncDispose]();
  await once(socket, 'close');
});

test('a clock that is set does not end a wait, nor make it last', async () => {
  const clock = new ManualClock();
  let now = clock.now();
  const setClock = { now: () => now, steady: () => clock.steady(), after: clock.after.bind(clock) };
  const waiting: ServerResponse[] = [];
  await using way = await Way.open({ clock: setClock, answer: (_request, response) => void waiting.push(response) });
  const answer = fetch(way.url);
  await eventually('it waits', async () => waiting.length === 1);
  now += 3_600_000;
  for (let second = 0; second < 4; second++) {
    clock.advance(1_000);
    for (let turn = 0; turn < 20; turn++) await setImmediate();
  }
  assert.deepEqual(way.outcomes, []);
  waiting[0]?.end('at last');
  assert.equal(await (await answer).text(), 'at last');
  await using silent = await tcpServer(() => undefined);
  await using lost = await Way.open({ clock: setClock, address: silent.address });
  const refused = fetch(lost.url);
  await eventually('it is on its way', async () => lost.forwarder.size === 1);
  now -= 7_200_000;
  assert.ok((await passing(clock, () => lost.outcomes.length > 0)) <= 6_000);
  assert.equal((await refused).statusText, 'unreachable');
});

test('a peer that falls silent while a poll waits is given up too', async () => {
  const clock = new ManualClock();
  let hasAsked = false;
  await using stalled = await tlsServer((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 102 Processing\r\n\r\n');
      hasAsked = true;
    });
  });
  await using way = await Way.open({ clock, address: stalled.address });
  const answer = fetch(way.url);
  await eventually('it was asked', async () => hasAsked);
  const ms = await passing(clock, () => way.outcomes.length > 0);
  assert.ok(ms >= 3_000 && ms <= 18_000, `after ${ms} ms`);
  assert.equal((await answer).statusText, 'unreachable');
});

test('whoever answers in the place of the owner is not believed', async () => {
  await using stranger = await tlsServer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nringback-peer-node: another\r\nContent-Length: 3\r\n\r\nlie'));
  });
  await using way = await Way.open({ address: stranger.address });
  const answer = await fetch(way.url);
  assert.deepEqual([answer.status, answer.statusText, await answer.text()], [503, 'unreachable', '']);
});

test('a stranger at the address of a dead node is told nothing of what the client has sent', async () => {
  const shown: Buffer[] = [];
  await using stranger = await tcpServer((socket) => socket.on('data', (chunk) => void shown.push(chunk)).resume());
  await using plain = await tcpServer((socket) => {
    socket.on('data', (chunk) => void shown.push(chunk)).once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
  });
  await using another = await PeerServer.listen(
    { node: 'another', key, answer: () => assert.fail('it was let in'), clock: new ManualClock(), logger: silentLogger },
    { host: '127.0.0.1', port: 0 },
  );
  for (const address of [stranger.address, plain.address, `127.0.0.1:${another.port}`]) {
    const clock = new ManualClock();
    await using way = await Way.open({ clock, address });
    const headers = { authorization: 'Bearer rbat_of-the-client', 'x-secret': 'rbtk_in-a-header' };
    const answer = fetch(`${way.url}/hub?id=named&access_token=rbtk_in-the-url`, {
      method: 'POST',
      body: 'of-the-body',
      headers,
    });
    await passing(clock, () => way.outcomes.length > 0);
    assert.equal((await answer).statusText, 'unreachable');
  }
  const text = Buffer.concat(shown).toString('latin1');
  assert.ok(shown.length >= 2 && text.includes(OWNER), 'both were called');
  assert.doesNotMatch(text, /rbat_|rbtk_|POST|hub|named|of-the-body/);
});

test('two nodes that had the same address do not share connections', async () => {
  const clock = new ManualClock();
  await using way = await Way.open({ clock, answer: (_request, response) => response.end('of the owner') });
  assert.equal(await (await fetch(way.url)).text(), 'of the owner');
  const outcome = await new Promise((resolve) => {
    const front = createServer((incoming, response) => {
      void way.forwarder.forward('another', { incoming, response, maxBodyBytes: 1 }).then((what) => {
        response.end();
        front.close();
        resolve(what);
      });
    }).listen(0, '127.0.0.1', () => void fetch(urlOf(front)));
  });
  assert.equal(outcome, 'unreachable');
});

test('nobody gets in without the secret of the nodes, and as a peer of this very node', async () => {
  await using way = await Way.open({ answer: () => assert.fail('it was let in') });
  const { port } = way.owner;
  await assert.rejects(fetch(`http://127.0.0.1:${port}/hub`));
  for (const channel of [
    {},
    { ciphers: 'ALL:@SECLEVEL=0', maxVersion: 'TLSv1.3' as const },
    { ...caller, ...callingFor(OWNER, randomBytes(32)) },
    { ...caller, ...callingFor('another', key) },
    { ...caller, ...callingFor('another', key), servername: OWNER },
  ]) {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...channel });
    const [error]: unknown[] = await once(socket, 'error');
    assert.match(String(error), /alert|EPROTO|ECONNRESET/);
  }
});

test('nodes that do not share their secret do not reach each other', async () => {
  await using way = await Way.open({ ownerKey: randomBytes(32), answer: () => assert.fail('it was let in') });
  const answer = await fetch(way.url);
  assert.equal(answer.statusText, 'unreachable');
});

test('only the verbs of an endpoint are passed on by a peer', async () => {
  await using way = await Way.open({ answer: () => assert.fail('it was let in') });
  const answer = await fetch(way.url, { method: 'PUT', body: 'x' });
  assert.deepEqual([answer.statusText, way.outcomes], ['unreachable', ['unreachable']]);
});

for (const address of [
  undefined,
  '',
  'nonsense',
  'http://evil.example/',
  '127.0.0.1',
  '127.0.0.1:0',
  '127.0.0.1:99999',
  '[::g]:80',
  'a b:80',
]) {
  test(`nothing is called at the address ${JSON.stringify(address)}`, async () => {
    await using way = await Way.open({ address });
    assert.equal((await fetch(way.url)).statusText, 'unreachable');
  });
}

test('strangers and peers that cannot be reached are logged at once, then seldom, and never with what they showed', async () => {
  const clock = new ManualClock();
  const logger = notingLogger();
  await using way = await Way.open({ clock, logger, ownerKey: randomBytes(32), answer: () => assert.fail('it was let in') });
  for (let n = 0; n < 5; n++) assert.equal((await fetch(way.url)).statusText, 'unreachable');
  const [refused, unreachable, ...more] = logger.warnings.toSorted((a, b) =>
    String(a['event']).localeCompare(String(b['event'])),
  );
  assert.deepEqual(refused, { event: 'peers.connection.refused', remoteAddress: '127.0.0.1' });
  assert.deepEqual(unreachable, {
    event: 'peers.node.unreachable',
    node: 'owner',
    address: `127.0.0.1:${way.owner.port}`,
    failure: 'who answers there does not share the secret of that node (TLS alert 20)',
  });
  assert.deepEqual(more, []);
  clock.advance(10_000);
  assert.equal((await fetch(way.url)).statusText, 'unreachable');
  assert.deepEqual(
    logger.warnings.slice(2).map(({ leftOut }) => leftOut),
    [4, 4],
  );
});
