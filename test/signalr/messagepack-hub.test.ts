import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTransportType, type HubConnection as Client, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { WebSocket } from 'ws';
import {
  allowAnybody,
  Hub,
  type HubConnection,
  jsonProtocol,
  messagePackProtocol,
  method,
  PreparedInvocation,
  upload,
} from '../../src/signalr/index.ts';
import { binaryFrame, findBinaryFrame, findTextFrame, FrameReader } from '../../src/signalr/protocol/framing.ts';
import { startHubServer } from './hub-server.ts';

const protocols = [jsonProtocol, messagePackProtocol];

function createHub(connections = new Set<HubConnection<undefined>>()): Hub<undefined> {
  return new Hub<undefined>({
    protocols,
    enableDetailedErrors: true,
    methods: {
      echo: (_context, value) => value,
      fail() {
        throw new TypeError('on purpose');
      },
      *count() {
        yield* [1, 2, 3];
      },
      join: method({
        parameters: [upload()],
        async run(_context, items) {
          let all = '';
          for await (const item of items) all += String(item);
          return all;
        },
      }),
    },
    onConnected: ({ connection }) => void connections.add(connection),
  });
}

async function connect(url: string, transport: HttpTransportType, protocol?: MessagePackHubProtocol): Promise<Client> {
  const builder = new HubConnectionBuilder().withUrl(url, { transport }).configureLogging(LogLevel.None);
  const client = (protocol === undefined ? builder : builder.withHubProtocol(protocol)).build();
  await client.start();
  return client;
}

for (const transport of [HttpTransportType.WebSockets, HttpTransportType.LongPolling]) {
  test(`the official client speaks MessagePack over ${HttpTransportType[transport]}`, async () => {
    await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
    const client = await connect(server.url, transport, new MessagePackHubProtocol());
    const value = {
      n: [1, -1, 1.5, 2 ** 40],
      bytes: Uint8Array.of(0, 255),
      at: new Date('2018-01-01T11:24:00.250Z'),
      t: 'é€😀',
      nil: null,
    };
    assert.deepEqual(await client.invoke('Echo', value), value);
    const large = 'x'.repeat(30_000);
    assert.deepEqual(await Promise.all([client.invoke('echo', large), client.invoke('echo', 2)]), [large, 2]);
    await assert.rejects(client.invoke('fail'), { message: /TypeError: on purpose$/ });
    await client.stop();
  });
}

test('one prepared invocation reaches clients of both protocols', async () => {
  const connections = new Set<HubConnection<undefined>>();
  await using server = await startHubServer({ handler: createHub(connections), authenticate: allowAnybody });
  const clients = await Promise.all([
    connect(server.url, HttpTransportType.WebSockets),
    connect(server.url, HttpTransportType.WebSockets, new MessagePackHubProtocol()),
  ]);
  const heard = clients.map((client) => new Promise((resolve) => client.on('news', resolve)));
  const news = new PreparedInvocation('news', { a: [1, { b: 'c' }] });
  for (const connection of connections) connection.sendPrepared(news);
  assert.deepEqual(await Promise.all(heard), [{ a: [1, { b: 'c' }] }, { a: [1, { b: 'c' }] }]);
  await Promise.all(clients.map((client) => client.stop()));
});

/** Sends these bytes behind the handshake; the next `count` messages, or what came until the socket closed. */
async function exchange(url: string, pieces: readonly Buffer[], count: number): Promise<string[]> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'));
  const reader = new FrameReader();
  const heard: string[] = [];
  let isShaken = false;
  await new Promise<void>((resolve) => {
    socket.on('open', () => {
      socket.send('{"protocol":"messagepack","version":1}\u001e');
      for (const piece of pieces) socket.send(piece);
    });
    socket.on('message', (data: Buffer, isBinary) => {
      assert.ok(isBinary, 'the answer to the handshake, too');
      reader.append(data);
      if (!isShaken) assert.equal(reader.next(findTextFrame, 100)?.toString(), '{}\u001e');
      isShaken = true;
      for (let frame; (frame = reader.next(findBinaryFrame, 1000)) !== undefined;) heard.push(frame.toString('hex'));
      if (heard.length >= count) resolve();
    });
    socket.on('close', (code) => {
      heard.push(`closed ${code}`);
      resolve();
    });
  });
  socket.terminate();
  return heard;
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('all that the server sends is binary, and the bytes are those of the official server', async () => {
  await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
  const call = hex('0d 96 01 80 a1 31 a4 6563686f 91 2a 90');
  const answer = '07950380a131032a';
  assert.deepEqual(await exchange(server.url, [call], 1), [answer]);
  const bytes = Array.from(call, (byte) => Buffer.of(byte));
  assert.deepEqual(await exchange(server.url, bytes, 1), [answer], 'byte by byte');
  assert.deepEqual(await exchange(server.url, [hex('03 92 07 c0')], 2), ['049307c0c2', 'closed 1000']);
});

/** As ASP.NET Core answers each of these, see aspnet-messagepack.json. */
for (const [what, call, error] of [
  [
    'unreadable arguments',
    '96 01 80 a1 31 a4 6563686f 91 c1 90',
    "Failed to invoke 'echo' due to an error on the server. InvalidDataException: Error binding arguments. Make sure",
  ],
  [
    'a streaming method and unreadable arguments',
    '96 01 80 a1 31 a5 636f756e74 01 90',
    "Failed to invoke 'count' due to an error on the server. InvalidDataException: Reading array length for 'arguments' failed.",
  ],
  [
    'an unknown method and unreadable arguments',
    '96 01 80 a1 31 a4 4e6f7065 91 c1 90',
    "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.",
  ],
  [
    'a streaming method and no streaming call',
    '95 01 80 a1 31 a5 636f756e74 90',
    "The client attempted to invoke the streaming 'count' method with a non-streaming invocation.",
  ],
] as const) {
  test(`a call with ${what} is refused by itself, and the connection goes on`, async () => {
    await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
    const unanswered = binaryFrame(hex(call.replace('a1 31', 'c0')));
    const next = hex('0d 96 01 80 a1 32 a4 6563686f 91 2a 90');
    const [refusal = '', answer] = await exchange(server.url, [unanswered, binaryFrame(hex(call)), next], 2);
    assert.ok(Buffer.from(refusal, 'hex').toString().includes(error), Buffer.from(refusal, 'hex').toString());
    assert.equal(answer, '07950380a132032a');
  });
}

test('an uploaded item that cannot be read fails its stream, and its method hears of it', async () => {
  await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
  const call = binaryFrame(hex('96 01 80 a1 31 a4 6a6f696e 90 91 a1 73'));
  const items = ['94 02 80 a1 73 a1 61', '94 02 80 a1 73 c1', '94 03 80 a1 73 02'].map((each) => binaryFrame(hex(each)));
  const [answer = ''] = await exchange(server.url, [call, ...items], 1);
  assert.match(Buffer.from(answer, 'hex').toString(), /HubException: Failed to bind Stream message\. InvalidDataException: /);
});

test('a message that is none ends the connection, and the client may come back', async () => {
  await using server = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
  const [close = '', end] = await exchange(server.url, [hex('01 90')], 2);
  assert.match(Buffer.from(close, 'hex').toString(), /InvalidDataException: Reading 'messageType' as Int32 failed\./);
  assert.ok(close.endsWith('c3'));
  assert.equal(end, 'closed 1000');
});

test('protocols that the hub does not have are refused by name', async () => {
  const json = new Hub<undefined>({ methods: {} });
  await using server = await startHubServer({ handler: json, authenticate: allowAnybody });
  await assert.rejects(connect(server.url, HttpTransportType.WebSockets, new MessagePackHubProtocol()), {
    message: /The protocol 'messagepack' is not supported\./,
  });
  await using both = await startHubServer({ handler: createHub(), authenticate: allowAnybody });
  const blazor = new (class extends MessagePackHubProtocol {
    override readonly name = 'blazorpack';
  })();
  await assert.rejects(connect(both.url, HttpTransportType.WebSockets, blazor), {
    message: /The protocol 'blazorpack' is not supported\./,
  });
});
