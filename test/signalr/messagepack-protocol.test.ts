import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NullLogger } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { binaryFrame, findBinaryFrame, FrameReader } from '../../src/signalr/protocol/framing.ts';
import { messagePackProtocol } from '../../src/signalr/protocol/messagepack.ts';
import type { HubMessage } from '../../src/signalr/protocol/messages.ts';
import { ProtocolError } from '../../src/signalr/protocol/protocol-error.ts';
import { RawJson } from '../../src/signalr/protocol/raw-json.ts';
import { messagePackValue, messagesOf } from './messages.ts';

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
/** Of the array alone, without its length. */
const parse = (hex: string | Buffer): HubMessage | undefined =>
  messagePackProtocol.parse(binaryFrame(typeof hex === 'string' ? bytesOf(hex) : hex));
const encode = (message: HubMessage): Buffer => Buffer.from(messagePackProtocol.encode(message));
const payloadOf = (message: HubMessage): string => encode(message).subarray(1).toString('hex');

/** As the official server writes them. */
const vectors: Record<string, HubMessage> = {
  '96 01 80 a3 78797a a6 6d6574686f64 90 90': { type: 1, invocationId: 'xyz', target: 'method', arguments: [] },
  '96 01 80 c0 a6 6d6574686f64 91 2a 90': { type: 1, target: 'method', arguments: [42] },
  '96 01 80 c0 a6 6d6574686f64 92 2a a6 737472696e67 90': { type: 1, target: 'method', arguments: [42, 'string'] },
  '96 01 80 c0 a6 546172676574 91 2a 91 ab 5f5f746573745f69645f5f': {
    type: 1,
    target: 'Target',
    arguments: [42],
    streamIds: ['__test_id__'],
  },
  '96 04 80 a3 78797a a6 6d6574686f64 91 2a 90': { type: 4, invocationId: 'xyz', target: 'method', arguments: [42] },
  '94 02 80 a3 78797a 2a': { type: 2, invocationId: 'xyz', item: 42 },
  '95 03 80 a3 78797a 01 b0 4572726f72206e6f7420666f756e6421': { type: 3, invocationId: 'xyz', error: 'Error not found!' },
  '94 03 80 a3 78797a 02': { type: 3, invocationId: 'xyz' },
  '95 03 80 a3 78797a 03 2a': { type: 3, invocationId: 'xyz', result: 42 },
  '95 03 80 a3 78797a 03 c3': { type: 3, invocationId: 'xyz', result: true },
  '95 03 80 a3 78797a 03 c0': { type: 3, invocationId: 'xyz', result: null },
  '95 03 80 a3 616263 03 d6 ff 5a4a1a50': { type: 3, invocationId: 'abc', result: new Date('2018-01-01T11:24:00Z') },
  '93 05 80 a3 78797a': { type: 5, invocationId: 'xyz' },
  '91 06': { type: 6 },
  '93 07 c0 c2': { type: 7 },
  '93 07 c0 c3': { type: 7, allowReconnect: true },
  '93 07 a6 4572726f7221 c2': { type: 7, error: 'Error!' },
  '93 07 a6 4572726f7221 c3': { type: 7, error: 'Error!', allowReconnect: true },
  '93 07 a0 c2': { type: 7, error: '' },
  '92 08 2a': { type: 8, sequenceId: 42 },
  '92 09 cc 92': { type: 9, sequenceId: 146 },
  '92 08 cf 001fffffffffffff': { type: 8, sequenceId: Number.MAX_SAFE_INTEGER },
  '94 03 83 a3 466f6f a3 426172 a4 6b0d0a79 a5 760d0a616c a1 68 a0 a3 78797a 02': {
    type: 3,
    headers: { Foo: 'Bar', 'k\r\ny': 'v\r\nal', h: '' },
    invocationId: 'xyz',
  },
};

for (const [hex, message] of Object.entries(vectors)) {
  test(`${hex} is read and written byte for byte`, () => {
    assert.deepEqual(parse(hex), message);
    assert.equal(payloadOf(message), bytesOf(hex).toString('hex'));
  });
}

const alsoRead: Record<string, HubMessage> = {
  // Five items, as older clients write them; more than are known; bytes behind the array.
  '95 01 80 a3 78797a a6 6d6574686f64 90': { type: 1, invocationId: 'xyz', target: 'method', arguments: [] },
  '97 01 80 a1 31 a4 566f6964 90 90 c0': { type: 1, invocationId: '1', target: 'Void', arguments: [] },
  '92 06 c0': { type: 6 },
  '91 06 ff ff': { type: 6 },
  '92 07 c0': { type: 7 },
  '92 07 a3 78797a': { type: 7, error: 'xyz' },
  // Longer forms than needed.
  'dc 0006 01 80 a1 31 a4 566f6964 90 90': { type: 1, invocationId: '1', target: 'Void', arguments: [] },
  '96 cc 01 80 d9 01 31 da 0004 566f6964 dd 00000000 90': { type: 1, invocationId: '1', target: 'Void', arguments: [] },
  '92 08 cc 24': { type: 8, sequenceId: 36 },
  '92 09 cc 13': { type: 9, sequenceId: 19 },
  '92 09 d3 ffffffffffffffff': { type: 9, sequenceId: -1 },
  '94 02 80 a3 78797a ca 42280000': { type: 2, invocationId: 'xyz', item: 42 },
  // Nil where an empty map belongs; an empty id is none.
  '93 05 c0 a3 78797a': { type: 5, invocationId: 'xyz' },
  '96 01 80 a0 a4 566f6964 90 90': { type: 1, target: 'Void', arguments: [] },
};

for (const [hex, message] of Object.entries(alsoRead)) {
  test(`${hex} is read`, () => assert.deepEqual(parse(hex), message));
}

for (const [hex, message] of Object.entries({
  '0c 95 03 80 a3 616263 01 a3 457272': { type: 3, invocationId: 'abc', error: 'Err' },
  '0b 95 03 80 a3 616263 03 a2 4f4b': { type: 3, invocationId: 'abc', result: 'OK' },
  '08 94 03 80 a3 616263 02': { type: 3, invocationId: 'abc' },
  '09 95 03 80 a3 616263 03 c2': { type: 3, invocationId: 'abc', result: false },
  '07 93 05 80 a3 616263': { type: 5, invocationId: 'abc' },
  '02 91 06': { type: 6 },
} satisfies Record<string, HubMessage>)) {
  test(`${hex} is a frame`, () => {
    const frame = bytesOf(hex);
    assert.equal(findBinaryFrame(frame, 0, 0), frame.length);
    assert.deepEqual(messagePackProtocol.parse(frame), message);
    assert.deepEqual(encode(message), frame);
  });
}

test('a length takes one to five bytes, and whoever knows it need not wait for the rest', () => {
  const end = (hex: string): number => findBinaryFrame(bytesOf(hex), 0, 0);
  assert.equal(end('35'), 1 + 0x35);
  assert.equal(end('80 29'), 2 + 0x1480);
  assert.equal(end('ff ff ff ff 07'), 5 + 2 ** 31 - 1);
  assert.equal(end('8c 00'), 2 + 0x0c);
  assert.equal(end('80'), -1);
  assert.equal(end('ff ff ff ff'), -1);
  for (const hex of ['ff ff ff ff 08', 'ff ff ff ff 0f', 'ff ff ff ff ff 01', '80 80 80 80 80']) {
    assert.throws(() => end(hex), ProtocolError, hex);
  }
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const frame = binaryFrame(new Uint8Array(length));
    assert.equal(findBinaryFrame(frame, 0, 0), frame.length, `${length} bytes`);
  }
});

test('a message that announces more than the limit is refused by its first bytes', () => {
  const reader = new FrameReader();
  reader.append(bytesOf('ff 07'));
  assert.equal(reader.next(findBinaryFrame, 1025), undefined);
  assert.throws(() => reader.next(findBinaryFrame, 1024), { message: /^The maximum message size of 1024B was exceeded\./ });
});

/** What was not asked of ASP.NET Core, see aspnet-messagepack.json. */
const refused: Record<string, string> = {
  'dd ffffffff 01': "Reading array length for 'message' failed.",
  '96 01 df ffffffff a1 31': "Reading map length for 'headers' failed.",
  '92 08 cf 0020000000000000': "Reading 'sequenceId' as Int64 failed.",
  '92 09 c1': "Reading 'sequenceId' as Int64 failed.",
};

for (const [hex, message] of Object.entries(refused)) {
  test(`${hex} is refused by name`, () => {
    assert.throws(() => parse(hex), { name: 'InvalidDataException', message });
  });
}

test('a type without meaning is no message and no error', () => {
  assert.equal(parse('91 63'), undefined);
  assert.equal(parse('91 00'), undefined);
});

const doNotFit =
  'Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.';

for (const [what, args, message] of [
  ['missing', '', "Reading array length for 'arguments' failed."],
  ['no array', '01 90', "Reading array length for 'arguments' failed."],
  ['an array longer than the message', 'dd ffffffff 01', "Reading array length for 'arguments' failed."],
  ['cut short', '91 a4 41', doNotFit],
  ['of a type that does not exist', '91 c1 90', doNotFit],
  ['an extension without meaning', '91 d4 05 00 90', doNotFit],
  ['a timestamp of three bytes', '91 c7 03 ff 000000 90', doNotFit],
  ['a timestamp beyond all dates', '91 c7 0c ff 00000000 7fffffffffffffff 90', doNotFit],
  ['a map with the key __proto__', '91 81 a9 5f5f70726f746f5f5f 80 90', doNotFit],
  ['a map whose key is an array', '91 81 90 01 90', doNotFit],
] as const) {
  test(`arguments that are ${what} fail the call, not the connection`, () => {
    const call = parse(`96 01 80 a1 31 a4 566f6964 ${args}`);
    assert.ok(call?.type === 1 && call.fault instanceof ProtocolError);
    assert.equal(call.fault.message, message);
    const { fault: _fault, ...rest } = call;
    assert.deepEqual(rest, { type: 1, invocationId: '1', target: 'Void', arguments: [] });
  });
}

test('an item that cannot be read fails its stream, a result becomes an error', () => {
  const item = parse('93 02 80 a1 31');
  assert.ok(item?.type === 2 && item.fault instanceof ProtocolError);
  assert.equal(item.invocationId, '1');
  const completion = parse('95 03 80 a1 31 03 c1');
  assert.ok(completion?.type === 3 && !('result' in completion));
  assert.match(completion.error ?? '', /^Error trying to deserialize result\. /);
});

function item(value: unknown): unknown {
  const read = messagePackProtocol.parse(encode({ type: 2, invocationId: '1', item: value }));
  assert.ok(read?.type === 2);
  assert.equal(read.fault, undefined);
  return read.item;
}

const itemBytes = (value: unknown): string => payloadOf({ type: 2, invocationId: '1', item: value }).slice('940280a131'.length);

test('integers take the shortest form; beyond 2^53-1 they are BigInts, beyond 64 bits refused', () => {
  for (const [value, hex] of [
    [127, '7f'],
    [128, 'cc80'],
    [65_536, 'ce00010000'],
    [4_294_967_295, 'ceffffffff'],
    [4_294_967_296, 'cf0000000100000000'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-2_147_483_648, 'd280000000'],
    [-2_147_483_649, 'd3ffffffff7fffffff'],
    [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
  ] as const) {
    assert.equal(itemBytes(value), hex);
    assert.equal(itemBytes(BigInt(value)), hex, 'as a BigInt');
    assert.equal(item(value), value);
    assert.equal(item(BigInt(value)), value);
  }
  for (const value of [2n ** 53n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 63n)]) assert.equal(item(value), value);
  assert.equal(item(2 ** 60), 2 ** 60, 'a float');
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) assert.throws(() => itemBytes([value]), TypeError);
  assert.deepEqual(parse('94 02 80 a1 31 92 cf 0000000000000001 d3 ffffffffffffffff'), {
    type: 2,
    invocationId: '1',
    item: [1, -1],
  });
});

test('bytes and dates stay what they are, wherever they stand', () => {
  const bytes = Uint8Array.of(0, 1, 0xfe, 0xff);
  assert.equal(itemBytes(bytes), 'c4040001feff');
  assert.deepEqual(item({ a: [Buffer.from(bytes), bytes.buffer] }), { a: [bytes, bytes] });
  for (const time of ['2000-01-01T00:00:00Z', '2018-01-01T11:24:00.123Z', '1969-12-31T23:59:59.999Z', '2600-01-01T00:00:00Z']) {
    assert.deepEqual(item([new Date(time)]), [new Date(time)]);
  }
  assert.equal(item(new Date(Number.NaN)), null);
});

test('what a timestamp has beyond milliseconds is cut off', () => {
  // .NET's DateTime.MaxValue.
  const latest = parse('94 02 80 a1 31 c7 0c ff 3b9ac99c 0000003afff4417f');
  assert.deepEqual(latest, { type: 2, invocationId: '1', item: new Date('9999-12-31T23:59:59.999Z') });
  const early = parse('94 02 80 a1 31 c7 0c ff 3b9ac9ff ffffffffffffffff');
  assert.deepEqual(early, { type: 2, invocationId: '1', item: new Date(-1) });
});

test('bytes that were read share no memory with what arrived', () => {
  const frame = encode({ type: 2, invocationId: '1', item: Uint8Array.of(1, 2, 3) });
  const read = messagePackProtocol.parse(frame);
  frame.fill(0);
  assert.deepEqual(read, { type: 2, invocationId: '1', item: Uint8Array.of(1, 2, 3) });
});

test('what has a toJSON is what that says, RawJson is parsed, what has no value is nil', () => {
  assert.deepEqual(item([new RawJson('{"b":[1]}'), new URL('http://a/'), { raw: new RawJson('2') }]), [
    { b: [1] },
    'http://a/',
    { raw: 2 },
  ]);
  assert.deepEqual(item([undefined, () => 1, Symbol('s'), { none: undefined }]), [null, null, null, { none: null }]);
});

test('a member named __proto__ is written as it is, and refused by those who read', () => {
  const json = '{"__proto__":1,"constructor":2}';
  assert.equal(itemBytes(new RawJson(json)), '82a95f5f70726f746f5f5f01ab636f6e7374727563746f7202');
  const read = messagePackProtocol.parse(encode({ type: 2, invocationId: '1', item: new RawJson(json) }));
  assert.ok(read?.type === 2 && read.fault !== undefined);
});

test('invalid UTF-8 is replaced, as .NET does', () => {
  assert.deepEqual(parse('94 02 80 a1 31 a2 ff 61'), { type: 2, invocationId: '1', item: '\ufffda' });
  assert.deepEqual(parse('94 02 80 a1 31 92 a1 e2 01'), { type: 2, invocationId: '1', item: ['\ufffd', 1] });
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

test('500 arrays and maps inside each other are read and written, no more', () => {
  assert.deepEqual(item(nested(500)), nested(500));
  const call: HubMessage = { type: 1, target: 'T', arguments: [nested(500)] };
  assert.deepEqual(messagePackProtocol.parse(encode(call)), call);
  assert.throws(() => itemBytes(nested(501)), RangeError);
  const circle: unknown[] = [];
  circle.push(circle);
  assert.throws(() => itemBytes(circle), RangeError);
  const deep = (depth: number): HubMessage | undefined =>
    parse(Buffer.concat([bytesOf('94 02 80 a1 31'), Buffer.alloc(depth, 0x91), Buffer.of(1)]));
  assert.deepEqual(Object.keys(deep(500) ?? {}), ['type', 'invocationId', 'item']);
  for (const depth of [501, 1_000_000]) {
    const read = deep(depth);
    assert.ok(read?.type === 2);
    assert.match(read.fault?.message ?? '', /^More than 500 /);
  }
  assert.throws(() => parse(Buffer.concat([bytesOf('92 07'), Buffer.alloc(1_000_000, 0x91)])), ProtocolError);
});

test('hostile headers take no memory: what is announced is not there', () => {
  const before = process.resourceUsage().maxRSS;
  for (const head of ['dd ffffffff', 'df ffffffff', 'c6 ffffffff', 'db ffffffff', 'c9 ffffffff ff', 'dd 01ffffff', 'dc ffff']) {
    for (const place of ['92 07', '94 02 80 a1 31', '95 01 80 c0 a1 54', '95 01 80 c0 a1 54 91', '95 03 80 a1 31 03', '93 05']) {
      try {
        const message = parse(`${place} ${head}`);
        assert.ok(message !== undefined && ('fault' in message || 'error' in message), `${place} ${head}`);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  }
  // Each announces as many items as there are bytes left.
  const heads = Buffer.concat(
    Array.from({ length: 10_000 }, (_, i) => bytesOf(`dc ${(30_000 - 3 * i).toString(16).padStart(4, '0')}`)),
  );
  const message = parse(Buffer.concat([bytesOf('94 02 80 a1 31'), heads]));
  assert.ok(message?.type === 2 && message.fault !== undefined);
  const grownKilobytes = process.resourceUsage().maxRSS - before;
  assert.ok(grownKilobytes < 32_768, `${grownKilobytes} kB more at the peak`);
});

test('every message cut short at any byte is refused, or its call, stream or result fails', () => {
  for (const [hex, message] of Object.entries(vectors)) {
    const bytes = bytesOf(hex);
    for (let end = 0; end < bytes.length; end++) {
      try {
        const read = parse(bytes.subarray(0, end));
        assert.ok(read !== undefined && ('fault' in read || ('error' in read && read.type === 3)), `${hex} cut at ${end}`);
        assert.equal(read.type, message.type);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  }
});

test('whatever stands where a value belongs raises protocol errors and nothing else', () => {
  fc.assert(
    fc.property(fc.constantFrom('94 02 80 a1 31', '95 01 80 c0 a1 54 91', '92 07', '93 05'), fc.uint8Array(), (place, bytes) => {
      try {
        parse(Buffer.concat([bytesOf(place), bytes]));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

const official = new MessagePackHubProtocol();

/** As the official client hands it to its protocol: always with stream ids. */
function officialBytes(message: HubMessage): Buffer {
  const complete = message.type === 1 || message.type === 4 ? { streamIds: [], ...message } : message;
  return Buffer.from(Reflect.apply(official.writeMessage, official, [complete]));
}

/** What the official client reads, without what it adds. */
function officialMessage(bytes: Buffer): unknown {
  const [read] = official.parseMessages(new Uint8Array(bytes).buffer, NullLogger.instance);
  const members = Object.entries(read ?? {}).filter(([name, value]) => value !== undefined && !(name === 'streamIds'));
  return Object.fromEntries(members.filter(([name, value]) => name !== 'headers' || Object.keys(value).length > 0));
}

test('what we write is what the official library writes, byte for byte', () => {
  const message = messagesOf(messagePackValue).filter(({ type }) => type !== 7);
  fc.assert(
    fc.property(message, (each) => assert.deepEqual(encode(each), officialBytes(each))),
    { numRuns: 500 },
  );
});

test('we read what the official library writes', () => {
  const message = messagesOf(messagePackValue).filter(({ type }) => type !== 7);
  fc.assert(
    fc.property(message, (each) => assert.deepEqual(messagePackProtocol.parse(officialBytes(each)), each)),
    { numRuns: 500 },
  );
  assert.deepEqual(messagePackProtocol.parse(officialBytes({ type: 7 })), { type: 7 });
});

test('the official library reads what we write, of all that a client gets', () => {
  const message = messagesOf(messagePackValue).filter(({ type }) => type !== 4 && type !== 5);
  fc.assert(
    fc.property(message, (each) => {
      const expected = each.type === 1 ? { ...each, streamIds: undefined } : each;
      const { streamIds: _none, ...rest } = { streamIds: undefined, ...expected };
      const close = each.type === 7 ? { error: null, allowReconnect: false } : {};
      assert.deepEqual(officialMessage(encode(each)), { ...close, ...rest });
    }),
    { numRuns: 500 },
  );
});
