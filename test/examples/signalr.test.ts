/** Each way to put a hub into a server, as its README starts it: the official client over each transport, and what else is there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { WebSocket } from 'ws';
import { ROOT } from '../docs/blocks.ts';
import { selfSigned } from '../fixtures/self-signed.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { RunningExample } from './running.ts';

const overHttp1 = ['node-http', 'express', 'fastify', 'beside'] as const;

test('all of them are tried', () => {
  const files = readdirSync(join(ROOT, 'examples/signalr')).filter((name) => name.endsWith('.ts'));
  assert.deepEqual(files.toSorted(), [...overHttp1, 'chat', 'http2'].map((name) => `${name}.ts`).toSorted());
});

for (const name of overHttp1) {
  test(`${name}: what one says all hear, over each transport, and the app is there as before`, async () => {
    await using folder = await temporaryFolder();
    await using example = await RunningExample.start(`signalr/${name}.ts`, folder.path, 1);
    for (const transport of ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const) {
      const options = { transport: HttpTransportType[transport] };
      const connection = new HubConnectionBuilder().withUrl(example.url, options).configureLogging(LogLevel.None).build();
      const said = new Promise((resolve) => connection.on('said', resolve));
      await connection.start();
      await connection.invoke('say', 'hello');
      assert.equal(await said, 'hello');
      await connection.stop();
    }
    assert.equal(await (await fetch(new URL('/', example.url))).text(), 'the app');
    const negotiated = await fetch(`${example.url}/negotiate?negotiateVersion=1`, { method: 'POST' });
    assert.equal(negotiated.headers.get('x-app'), name === 'express' || name === 'fastify' ? name : null);
    if (name !== 'beside') return;
    const clock = new WebSocket(new URL('/clock', example.url.replace('http', 'ws')));
    const [time]: unknown[] = await once(clock, 'message');
    assert.match(String(time), /^\d{4}-/);
    clock.terminate();
  });
}

test('http2: what is said over a WebSocket is heard by a poll over HTTP/2', async () => {
  await using folder = await temporaryFolder();
  const { cert, key } = selfSigned();
  const [certFile, keyFile] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  const environment = { TLS_CERT: certFile, TLS_KEY: keyFile };
  await using example = await RunningExample.start('signalr/http2.ts', folder.path, 1, environment);
  const session = connect(new URL('/', example.url), { ca: cert });
  const ask = async (method: string, path: string, body = ''): Promise<string> => {
    const stream = session.request({ ':method': method, ':path': path });
    if (method === 'POST') stream.end(body);
    return await text(stream);
  };
  const shake = '{"protocol":"json","version":1}\u001e';
  const { connectionToken }: { connectionToken: string } = JSON.parse(await ask('POST', '/chat/negotiate?negotiateVersion=1'));
  const path = `/chat?id=${connectionToken}`;
  assert.equal(await ask('GET', path), '');
  await ask('POST', path, shake);
  assert.equal(await ask('GET', path), '{}\u001e');
  const heard = ask('GET', path);
  const socket = new WebSocket(example.url.replace('https', 'wss'), { ca: cert });
  await once(socket, 'open');
  socket.send(`${shake}{"type":1,"target":"say","arguments":["hello"]}\u001e`);
  assert.equal(await heard, '{"type":1,"target":"said","arguments":["hello"]}\u001e');
  assert.equal(await ask('GET', '/'), 'the app');
  socket.terminate();
  session.close();
  await once(session, 'close');
});
