/** How nodes find each other: names, addresses, and the short memory in front of the directory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { silentLogger } from '../../src/logger.ts';
import { CachedDirectory } from '../../src/server/peers/directory.ts';
import { createNodeName } from '../../src/server/peers/node-name.ts';
import { peerAddressText, readPeerAddress } from '../../src/server/peers/peer-address.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';
import { passing } from './way.ts';

test('addresses are read as they are written', () => {
  for (const [text, host, port] of [
    ['10.0.0.7:40123', '10.0.0.7', 40_123],
    ['[fd00::7]:1', 'fd00::7', 1],
    ['shop-1.internal:65535', 'shop-1.internal', 65_535],
  ] as const) {
    assert.deepEqual(readPeerAddress(text), { host, port });
    assert.equal(peerAddressText({ host, port }), text);
  }
});

test('the directory is asked at most once a second for each node, and what it said last is good while it cannot tell', async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  let answer: () => Promise<string | undefined> = async () => 'a:1';
  const directory = new CachedDirectory({
    clock,
    logger: silentLogger,
    directory: {
      addressOf(node) {
        asked.push(node);
        return answer();
      },
    },
  });
  assert.deepEqual(await Promise.all(['x', 'x', 'y'].map((node) => directory.addressOf(node))), ['a:1', 'a:1', 'a:1']);
  assert.deepEqual(asked.splice(0), ['x', 'y']);
  clock.advance(999);
  await directory.addressOf('x');
  assert.deepEqual(asked.splice(0), []);
  clock.advance(1);
  answer = async () => undefined;
  assert.equal(await directory.addressOf('x'), 'a:1', 'nobody waits for the news');
  assert.equal(await directory.addressOf('x'), undefined);
  assert.deepEqual(asked.splice(0), ['x']);
  answer = async () => 'a:2';
  clock.advance(1_000);
  assert.equal(await directory.addressOf('x'), 'a:2');
  asked.length = 0;
  answer = () => Promise.reject(new Error('the database is away'));
  for (let second = 0; second < 5; second++) {
    clock.advance(1_000);
    assert.equal(await directory.addressOf('x'), 'a:2');
    await setImmediate();
  }
  assert.deepEqual(asked, Array(5).fill('x'));
});

test('a clock that is set back does not make old news fresh', async () => {
  const clock = new ManualClock();
  let address = 'a:1';
  const directory = new CachedDirectory({ clock, logger: silentLogger, directory: { addressOf: async () => address } });
  assert.equal(await directory.addressOf('x'), 'a:1');
  address = 'a:2';
  clock.advance(-3_600_000);
  await directory.addressOf('x');
  await setImmediate();
  assert.equal(await directory.addressOf('x'), 'a:2');
});

test('a directory that does not answer keeps nobody waiting for long', async () => {
  const clock = new ManualClock();
  const directory = new CachedDirectory({
    clock,
    logger: silentLogger,
    directory: { addressOf: () => new Promise(() => undefined) },
  });
  let found: string | undefined | false = false;
  void directory.addressOf('x').then((address) => (found = address));
  const ms = await passing(clock, () => found !== false);
  assert.ok(ms <= 3_000, `after ${ms} ms`);
  assert.equal(found, undefined);
});

test('the name of a node is short, safe in a URL, and another one each time', () => {
  const names = Array.from({ length: 10 }, createNodeName);
  for (const name of names) assert.match(name, /^[A-Za-z0-9-]{9,41}$/);
  assert.equal(new Set(names).size, 10);
});
