/**
 * A lean endpoint must behave as any other: the same bytes go to both, and what comes back is compared. The tests of hub,
 * endpoint and official client run over a lean one too.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { test } from 'node:test';
import { allowAnybody, type ConnectionHandler } from '../../src/signalr/index.ts';
import { leanByDefault, startHubServer } from './hub-server.ts';

const TEXT = 0x81;
const BINARY = 0x82;
const CLOSE = 0x88;
const PING = 0x89;
const LIMIT = 100_000;

interface FrameParts {
  readonly first?: number;
  readonly payload?: string | Uint8Array;
  readonly isMasked?: boolean;
  /** How the length is written; default: as short as it may be. */
  readonly lengthBytes?: 1 | 2 | 8;
}

/** One frame of a client. */
function frame({ first = TEXT, payload = '', isMasked = true, lengthBytes }: FrameParts): Buffer {
  const body = Buffer.from(payload);
  const size = lengthBytes ?? (body.length < 126 ? 1 : body.length < 65_536 ? 2 : 8);
  const head = Buffer.alloc(size === 1 ? 2 : 2 + size);
  head[0] = first;
  head[1] = (isMasked ? 0x80 : 0) | (size === 1 ? body.length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(body.length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
  if (!isMasked) return Buffer.concat([head, body]);
  const mask = Buffer.from([0xa1, 0xb2, 0xc3, 0xd4]);
  return Buffer.concat([head, mask, body.map((byte, index) => byte ^ (mask[index % 4] ?? 0))]);
}

const hello = frame({ payload: 'hello' });
const bye = frame({ first: CLOSE, payload: Uint8Array.of(0x03, 0xe8) });

interface Silent {
  readonly silent: Buffer;
}

/** What is not answered by itself. */
function silent(bytes: Buffer): Silent {
  return { silent: bytes };
}

type Step = Buffer | Silent;

/** What a client may send: the next when the one before was answered. */
const scripts: Readonly<Record<string, readonly Step[]>> = {
  'a text': [hello, bye],
  'an empty text': [silent(frame({})), hello, bye],
  bytes: [frame({ first: BINARY, payload: Uint8Array.of(0, 255, 30) }), bye],
  'several in one chunk': [Buffer.concat([hello, hello, frame({ payload: 'x'.repeat(300) })]), bye],
  'plain ones around a ping, in one chunk': [Buffer.concat([hello, frame({ first: PING, payload: 'p' }), hello]), hello, bye],
  'a length of two bytes': [frame({ payload: 'y'.repeat(60_000) }), bye],
  'a length of two bytes that needs one': [frame({ payload: 'short', lengthBytes: 2 }), bye],
  'a length of eight bytes': [frame({ payload: 'z'.repeat(70_000) }), hello, bye],
  'a length of eight bytes that needs one': [frame({ payload: 'short', lengthBytes: 8 }), bye],
  'fragments with a ping between them': [
    silent(frame({ first: 0x01, payload: 'frag' })),
    frame({ first: PING, payload: '?' }),
    silent(frame({ first: 0x00, payload: 'men' })),
    frame({ first: 0x80, payload: 'ted' }),
    hello,
    bye,
  ],
  'a text of several scripts': [frame({ payload: 'ä€😀' }), bye],
  'a text that is no UTF-8': [hello, frame({ payload: Uint8Array.of(0xc3, 0x28) })],
  'a frame without a mask': [hello, frame({ payload: 'bare', isMasked: false })],
  'a reserved bit': [hello, frame({ first: 0xc1, payload: 'rsv' })],
  'an unknown kind': [hello, frame({ first: 0x83 })],
  'a continuation of nothing': [hello, frame({ first: 0x80, payload: 'ted' })],
  'more than is taken': [hello, frame({ payload: 'w'.repeat(LIMIT + 1) })],
  'a close without a code': [hello, frame({ first: CLOSE })],
  'a close with a bad code': [hello, frame({ first: CLOSE, payload: Uint8Array.of(0x03, 0xed) })],
  'a request that the server closes': [frame({ payload: 'close' })],
  'a close by the server with more behind it': [Buffer.concat([frame({ payload: 'close' }), hello]), silent(hello)],
  'a request to be cut off': [hello, frame({ payload: 'abort' })],
  'an end without a close': [hello],
  'half a frame at the end': [hello, silent(hello.subarray(0, 4))],
};

const ended: string[] = [];

/** Says back what it gets, or does as it is told. */
const echo: ConnectionHandler<undefined> = {
  open: (connection) => ({
    receive(chunk) {
      const text = chunk.toString();
      if (text === 'close') connection.close();
      else if (text === 'abort') connection.abort(new Error('as asked'));
      else connection.send(`[${chunk.toString('base64')}]`);
    },
    writable() {},
    heartbeat() {},
    shutdown: () => connection.close(),
    ended: (error) => ended.push(error?.message ?? 'in order'),
  }),
};

/** Payloads of messages joined, other frames one by one. */
function readable(bytes: Buffer): string {
  let text = '';
  let at = 0;
  const kinds: Readonly<Record<number, string>> = { 0x81: '', 0x82: '', 0x88: ' close ', 0x8a: ' pong ' };
  while (at < bytes.length) {
    const short = bytes[at + 1] ?? 0;
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    const kind = kinds[bytes[at] ?? 0] ?? ' unknown ';
    text += kind + bytes.toString(kind === '' ? 'utf8' : 'hex', start, start + length);
    at = start + length;
  }
  return text;
}

interface Talk {
  readonly lean: boolean;
  readonly steps: readonly Step[];
  /** The first step comes in one packet with the request. */
  readonly isEager?: boolean;
}

const REQUEST =
  'GET /hub HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
const ANSWER =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/** A client's socket, and all that came from it. */
class Talker {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = createConnection(port, '127.0.0.1').setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => (this.#received = Buffer.concat([this.#received, chunk])));
    this.#socket.on('error', () => undefined);
  }

  get answers(): string {
    assert.equal(this.#received.toString('latin1', 0, ANSWER.length), ANSWER);
    return readable(this.#received.subarray(ANSWER.length));
  }

  /** Resolves when it is answered, or the server has closed. */
  async say(step: Step): Promise<void> {
    const before = this.#received.length;
    this.#socket.write(Buffer.isBuffer(step) ? step : step.silent);
    const isRequest = before === 0;
    const isEager = isRequest && Buffer.isBuffer(step) && step.length > REQUEST.length;
    const atLeast = (isRequest ? ANSWER.length : before) + (isRequest && !isEager ? 0 : 1);
    while (Buffer.isBuffer(step) && this.#received.length < atLeast && !this.#socket.closed) {
      await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'close')]);
    }
  }

  async leave(): Promise<void> {
    this.#socket.end();
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }
}

async function transcript({ lean, steps, isEager = false }: Talk): Promise<string> {
  const options = { handler: echo, authenticate: allowAnybody, maxWebSocketMessageBytes: LIMIT, lean };
  await using server = await startHubServer<undefined>(options);
  ended.length = 0;
  const talker = new Talker(server.port);
  const request = Buffer.from(REQUEST);
  const [first = request, ...rest] = steps;
  if (isEager && Buffer.isBuffer(first)) await talker.say(Buffer.concat([request, first]));
  else for (const step of [request, first]) await talker.say(step);
  for (const step of rest) await talker.say(step);
  await talker.leave();
  return `${talker.answers} | ${ended.join()}`;
}

for (const [name, steps] of Object.entries(scripts)) {
  test(`lean or not, the same comes of ${name}`, async () => {
    const whole = await transcript({ lean: false, steps });
    assert.match(whole, / \| \w+/);
    assert.equal(await transcript({ lean: true, steps }), whole);
    assert.equal(await transcript({ lean: true, steps, isEager: true }), whole);
  });
}

test('lean or not, the same comes of messages cut at every byte', async () => {
  const last = frame({ payload: 'x'.repeat(130) });
  const bytes = Buffer.concat([hello, last]);
  const whole = await transcript({ lean: false, steps: [hello, last, bye] });
  assert.match(whole, /^\[aGVsbG8=\]\[eHh4.* close 03e8 \| in order$/);
  for (let cut = 1; cut < bytes.length; cut++) {
    const [start, end] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    const steps = [cut < hello.length ? silent(start) : start, end, bye];
    assert.equal(await transcript({ lean: true, steps }), whole, `cut at ${cut}`);
  }
});

leanByDefault();
await import('./endpoint.test.ts');
await import('./hub.test.ts');
await import('./official-client.test.ts');
