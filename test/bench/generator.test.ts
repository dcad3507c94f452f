/** The parts of the load generator that everything else trusts: the ledger, the numbers in bodies, frames that come in pieces. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { BODY_BYTES, findNumber, makeBody, readDigits, writeNumber } from '../../bench/generator/body.ts';
import { Ledger } from '../../bench/generator/ledger.ts';
import { WebSocketConnection } from '../../bench/generator/web-socket.ts';

test('a body has 300 bytes of JSON, and its number is found in whatever a server made of it', () => {
  const body = makeBody();
  assert.equal(body.length, BODY_BYTES);
  for (const number of [1, 9, 10, 123_456_789_012]) {
    writeNumber(body, 0, number);
    const sent = JSON.stringify({ type: 1, arguments: [{ sequence: 7, ...JSON.parse(body.toString()) }] });
    assert.equal(findNumber(Buffer.from(sent), 0, sent.length), number);
  }
  assert.equal(findNumber(Buffer.from('{"type":6}'), 0, 10), 0);
  assert.equal(readDigits(Buffer.from('"sequence":4711,'), 11), 4711);
});

test('a message is done when it has arrived and was answered, in either order', () => {
  const ledger = new Ledger();
  const [first, second] = [ledger.begin(3, 10), ledger.begin(4, 20)];
  assert.equal(ledger.arrive(first, 3), 10);
  assert.equal(ledger.isDone(first), false);
  ledger.answer(first, true);
  ledger.answer(second, true);
  assert.deepEqual([ledger.isDone(first), ledger.isDone(second), ledger.underWay], [true, false, 1]);
  assert.equal(ledger.arrive(second, 4), 20);
  assert.equal(ledger.underWay, 0);
  assert.deepEqual(ledger.faults, { lost: 0, doubled: 0, misrouted: 0, disordered: 0, refused: 0 });
});

test('each fault is counted once, also when a number comes again long after its place was used by another', () => {
  const ledger = new Ledger();
  const [doubled, misrouted, lost, refused] = [1, 2, 3, 4].map((connection) => ledger.begin(connection, 0));
  for (const number of [doubled, misrouted, lost]) ledger.answer(number ?? 0, true);
  ledger.answer(refused ?? 0, false);
  ledger.arrive(refused ?? 0, 4);
  ledger.arrive(doubled ?? 0, 1);
  ledger.arrive(doubled ?? 0, 1);
  assert.equal(ledger.arrive(misrouted ?? 0, 1), undefined);
  ledger.giveUp();
  assert.equal(ledger.arrive(lost ?? 0, 3), undefined, 'too late');
  assert.deepEqual(ledger.faults, { lost: 1, doubled: 1, misrouted: 1, disordered: 0, refused: 1 });
  for (let left = 1 << 18; left > 0; left--) {
    const number = ledger.begin(0, 0);
    ledger.answer(number, true);
    ledger.arrive(number, 0);
  }
  ledger.arrive(doubled ?? 0, 1);
  assert.deepEqual(ledger.faults, { lost: 1, doubled: 2, misrouted: 1, disordered: 0, refused: 1 });
});

test('frames of each length are handed on whole, however the bytes come', async () => {
  const payloads = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(65_535), 'e'.repeat(65_536)];
  const bytes = Buffer.concat(payloads.map((payload) => serverFrame(payload)));
  for (const size of [1009, bytes.length]) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      socket.setNoDelay(true);
      for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const received: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const page = new WebSocketConnection({
        port: address.port,
        path: '/',
        localAddress: '127.0.0.1',
        onOpen: () => undefined,
        onFrame: ({ bytes: lent, start, end }) => {
          received.push(lent.toString('latin1', start, end));
          if (received.length < payloads.length) return;
          page.close();
          resolve();
        },
        onGone: reject,
      });
    });
    server.close();
    assert.deepEqual(received, payloads);
  }
});

function serverFrame(payload: string): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(0x81, length), Buffer.from(payload)]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeUInt32BE(length, 6);
  return Buffer.concat([head, Buffer.from(payload)]);
}
