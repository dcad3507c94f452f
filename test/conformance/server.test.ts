/** The conformance server as outside programs meet it: a process, its line, its TLS, its end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:https';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { negotiate, RawSocket } from '../signalr/raw-client.ts';

const PROGRAM = fileURLToPath(new URL('../fixtures/conformance/server.ts', import.meta.url));

test('it says where it listens, with and without TLS, and SIGTERM ends it and tells its clients to come back', async () => {
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', '--tls-port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line]: unknown[] = await once(createInterface({ input: child.stdout }), 'line');
    const [, url = '', tlsUrl = ''] = /^conformance server listening on (http:\S+) (https:\S+)$/.exec(String(line)) ?? [];
    const [response] = await once(get(`${tlsUrl}/testhub/negotiate`, { rejectUnauthorized: false }), 'response');
    assert.equal(response.statusCode, 405);
    const [cookie] = response.headers['set-cookie'];
    assert.equal(cookie, 'testCookie=testValue; path=/; secure; samesite=none; Partitioned');
    response.resume();

    const socket = await RawSocket.join((await negotiate(`${url}/testhub`)).url);
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    assert.equal(await socket.next(), '{"type":7,"allowReconnect":true}');
    assert.equal(await socket.next(), 'closed 1000');
    assert.deepEqual(await exit, [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
