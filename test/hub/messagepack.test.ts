import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { messagePackProtocol } from '../../src/signalr/index.ts';
import { startServer } from '../fixtures/server.ts';

/** The official protocol, but for 64-bit integers, which clients in other languages have. */
class LongMessagePackProtocol extends MessagePackHubProtocol {
  override writeMessage(message: Parameters<MessagePackHubProtocol['writeMessage']>[0]): ArrayBuffer {
    if (message.type !== 1) return super.writeMessage(message);
    const bytes = messagePackProtocol.encode({ ...message, type: 1 });
    return typeof bytes === 'string' ? assert.fail() : new Uint8Array(bytes).buffer;
  }
}

test('a reply in MessagePack holds any integer that JSON can hold, and no other', async () => {
  await using server = await startServer({ store: 'memory:' });
  const opened = await server.backEnd.open();
  const { id } = await server.backEnd.send(opened.id);
  const { hubUrl, accessToken } = opened;
  const page = new HubConnectionBuilder()
    .withUrl(hubUrl, { accessTokenFactory: () => accessToken, transport: HttpTransportType.WebSockets })
    .withHubProtocol(new LongMessagePackProtocol())
    .configureLogging(LogLevel.None)
    .build();
  const caughtUp = new Promise((resolve) => page.on('caughtUp', resolve));
  page.on('message', () => undefined);
  await page.start();
  await caughtUp;
  await assert.rejects(page.invoke('ack', 1, { n: 2n ** 53n }), /invalid_request: the reply holds an integer beyond 2\^53-1/);
  await page.invoke('ack', 1n, { n: 2n ** 53n - 1n });
  assert.deepEqual((await server.backEnd.receipt(opened.id, id)).reply, { n: 2 ** 53 - 1 });
  await page.stop();
});
