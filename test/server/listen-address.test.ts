import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectableUrlOf, isLoopback, ownOriginsOf, urlOf, type ListenAddress } from '../../src/server/listen-address.ts';
import { Origins } from '../../src/server/origins.ts';

const MACHINE = ['http://127.0.0.1:8080', 'http://localhost:8080'];

test('the origins of a server are the names of its machine and the address that it listens on', () => {
  const more: Readonly<Record<string, readonly string[]>> = {
    '127.0.0.1': ['http://[::1]:8080'],
    localhost: ['http://[::1]:8080'],
    '::1': ['http://[::1]:8080'],
    '0:0:0:0:0:0:0:1': ['http://[::1]:8080'],
    '127.0.0.2': ['http://[::1]:8080', 'http://127.0.0.2:8080'],
    '0.0.0.0': ['http://[::1]:8080'],
    '::': ['http://[::1]:8080'],
    '::0': ['http://[::1]:8080'],
    '192.0.2.7': ['http://192.0.2.7:8080'],
    '2001:DB8::0:1': ['http://[2001:db8::1]:8080'],
    'Pay.Internal': ['http://pay.internal:8080'],
    'fe80::1%eth0': [],
  };
  for (const [host, others] of Object.entries(more))
    assert.deepEqual(ownOriginsOf({ host, port: 8080 }), [...MACHINE, ...others], host);
});

test('the port that a scheme implies is left out, as browsers do', () => {
  const host = '192.0.2.7';
  assert.deepEqual(ownOriginsOf({ host, port: 80 }), ['http://127.0.0.1', 'http://localhost', 'http://192.0.2.7']);
  assert.equal(ownOriginsOf({ host, port: 443, scheme: 'https' }).at(-1), 'https://192.0.2.7');
  assert.equal(ownOriginsOf({ host, port: 80, scheme: 'https' }).at(-1), 'https://192.0.2.7:80');
});

test('a configured list is not widened by where the server listens', () => {
  const address: ListenAddress = { host: '::1', port: 8080 };
  const origins = new Origins(['https://shop.test']);
  origins.useListenAddress(address);
  assert.deepEqual(origins.list(), ['https://shop.test']);
  const none = new Origins([]);
  none.useListenAddress(address);
  assert.deepEqual(none.list(), []);
});

test('a URL has brackets around IPv6; one to call never has the address for all addresses', () => {
  assert.equal(urlOf({ host: '::1', port: 1 }), 'http://[::1]:1');
  assert.equal(urlOf({ host: '0.0.0.0', port: 1 }), 'http://0.0.0.0:1');
  for (const [host, url] of [
    ['::1', 'https://[::1]:1'],
    ['192.0.2.7', 'https://192.0.2.7:1'],
    ['pay.internal', 'https://pay.internal:1'],
    ['0.0.0.0', 'https://127.0.0.1:1'],
    ['::', 'https://127.0.0.1:1'],
  ] as const)
    assert.equal(connectableUrlOf({ host, port: 1, scheme: 'https' }), url);
});

test('what reaches only this machine is known however it is written', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.8.7', '::1', '0:0::1', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['', '0.0.0.0', '::', '192.0.2.7', '::ffff:192.0.2.7', 'localhost.test', '128.0.0.1', '::2'])
    assert.ok(!isLoopback(host), host);
});
