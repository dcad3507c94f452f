import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonHubProtocol, NullLogger } from '@microsoft/signalr';
import { FrameReader, findTextFrame } from '../../src/signalr/protocol/framing.ts';
import { jsonProtocol } from '../../src/signalr/protocol/json.ts';
import type { HubMessage } from '../../src/signalr/protocol/messages.ts';
import { ProtocolError } from '../../src/signalr/protocol/protocol-error.ts';
import { RawJson } from '../../src/signalr/protocol/raw-json.ts';
import { jsonValue, messagesOf } from './messages.ts';

const parse = (text: string | Buffer): HubMessage | undefined =>
  jsonProtocol.parse(Buffer.concat([Buffer.from(text), Buffer.of(0x1e)]));
const encode = (message: HubMessage): string => String(jsonProtocol.encode(message));

const vectors: Record<string, HubMessage> = {
  '{"type":1,"invocationId":"123","target":"Target","arguments":[1,"Foo"]}': {
    type: 1,
    invocationId: '123',
    target: 'Target',
    arguments: [1, 'Foo'],
  },
  '{"type":1,"target":"T","arguments":[],"streamIds":["1","2"]}': { type: 1, target: 'T', arguments: [], streamIds: ['1', '2'] },
  '{"type":1,"headers":{"a":"b"},"target":"T","arguments":[]}': { type: 1, headers: { a: 'b' }, target: 'T', arguments: [] },
  '{"type":2,"invocationId":"123","item":null}': { type: 2, invocationId: '123', item: null },
  '{"type":3,"invocationId":"123"}': { type: 3, invocationId: '123' },
  '{"type":3,"invocationId":"123","result":null}': { type: 3, invocationId: '123', result: null },
  '{"type":3,"invocationId":"123","error":"E"}': { type: 3, invocationId: '123', error: 'E' },
  '{"type":4,"invocationId":"1","target":"S","arguments":[]}': { type: 4, invocationId: '1', target: 'S', arguments: [] },
  '{"type":5,"invocationId":"1"}': { type: 5, invocationId: '1' },
  '{"type":6}': { type: 6 },
  '{"type":7,"error":""}': { type: 7, error: '' },
  '{"type":7,"allowReconnect":true}': { type: 7, allowReconnect: true },
  '{"type":8,"sequenceId":102020}': { type: 8, sequenceId: 102020 },
  '{"type":9,"sequenceId":1}': { type: 9, sequenceId: 1 },
};

for (const [text, message] of Object.entries(vectors)) {
  test(`${text} is read and written byte for byte`, () => {
    assert.deepEqual(parse(text), message);
    assert.equal(encode(message), `${text}\u001e`);
  });
}

test('members may come in any order', () => {
  assert.deepEqual(parse('{"arguments":[42],"target":"T","type":1}'), { type: 1, target: 'T', arguments: [42] });
});

test('what stands behind the object in its frame is overlooked', () => {
  const ping = { type: 6 };
  for (const behind of ['x', '}', '{"type":7}', ' ,', '"']) assert.deepEqual(parse(`{"type":6}${behind}`), ping, behind);
  assert.deepEqual(parse('{"type":3,"invocationId":"}","result":[{"a":"]"}]} {'), {
    type: 3,
    invocationId: '}',
    result: [{ a: ']' }],
  });
  for (const text of ['x{"type":6}', '{"type":6', '1{"type":6}', '"\\x"', '{"type":6,}x', '}{']) {
    assert.throws(() => parse(text), { message: 'Error reading JSON.' }, text);
  }
});

test('what begins with no object is told by its first token, whatever stands behind', () => {
  const texts = {
    Array: ['[1,', '[}'],
    String: ['"{}" {}', '"\\"":'],
    Null: ['nulll'],
    True: ['true}'],
    False: ['false,'],
    Number: [' -1.5e3 x'],
  };
  for (const [token, each] of Object.entries(texts)) {
    const error = { message: `Unexpected JSON Token Type '${token}'. Expected a JSON Object.` };
    for (const text of each) assert.throws(() => parse(text), error, text);
  }
});

test('a type without meaning is no message and no error', () => {
  assert.equal(parse('{"type":99,"target":5}'), undefined);
});

/** What was not asked of ASP.NET Core, see aspnet-json.json. */
const malformed: Record<string, string> = {
  '{"type":1,"target":"T","arguments":[],"streamIds":[1]}': "Expected 'streamIds' to be of type String.",
  '{"type":2,"invocationId":"","item":1}': "Missing required property 'invocationId'.",
  '{"type":9,"sequenceId":-1.5}': "Expected 'sequenceId' to be of type Number.",
  '{"type":9,"sequenceId":9007199254740992}': "Expected 'sequenceId' to be of type Number.",
};

for (const [text, message] of Object.entries(malformed)) {
  test(`${text} is refused by name`, () => {
    assert.throws(() => parse(text), { name: 'InvalidDataException', message });
  });
}

test('every message cut short at any byte is refused', () => {
  for (const text of Object.keys(vectors)) {
    for (let end = 0; end < text.length; end++) assert.throws(() => parse(text.slice(0, end)), ProtocolError);
  }
});

test('invalid UTF-8 is refused', () => {
  const bytes = Buffer.from('{"type":1,"target":"?","arguments":[]}');
  bytes[bytes.indexOf('?')] = 0xff;
  assert.throws(() => parse(bytes), { message: 'Error reading JSON.' });
});

test('100,000 nested arrays are read without recursion', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  assert.equal(parse(`{"type":3,"invocationId":"1","result":${deep}}`)?.type, 3);
});

test('bytes become base64, wherever they stand; safe BigInts numbers, others are refused', () => {
  const args = [Buffer.from([1, 2, 3]), { deep: [Uint8Array.of(255)] }, 5n, undefined];
  assert.equal(
    encode({ type: 1, target: 'T', arguments: args }),
    '{"type":1,"target":"T","arguments":["AQID",{"deep":["/w=="]},5,null]}\u001e',
  );
  assert.throws(() => encode({ type: 1, target: 'T', arguments: [2n ** 60n] }), TypeError);
});

test('what JSON has no word for is null, also when a toJSON says so', () => {
  const args = [undefined, () => 1, Symbol('s'), { toJSON: () => undefined }, Number.NaN, new Date(Number.NaN)];
  assert.equal(
    encode({ type: 1, target: 'T', arguments: args }),
    '{"type":1,"target":"T","arguments":[null,null,null,null,null,null]}\u001e',
  );
});

test('RawJson is spliced in as it stands, and parsed deep inside a value', () => {
  const raw = new RawJson('{"b":1, "a":2}');
  assert.equal(
    encode({ type: 1, target: 'T', arguments: [raw, 1] }),
    '{"type":1,"target":"T","arguments":[{"b":1, "a":2},1]}\u001e',
  );
  assert.equal(
    encode({ type: 2, invocationId: '1', item: { raw } }),
    '{"type":2,"invocationId":"1","item":{"raw":{"b":1,"a":2}}}\u001e',
  );
  assert.throws(() => new RawJson('"\u001e"'), TypeError);
});

test('a stream of messages is cut into the same frames wherever it is split', () => {
  const stream = Buffer.from(
    Object.keys(vectors)
      .map((text) => `${text}\u001e`)
      .join(''),
  );
  for (let at = 0; at <= stream.length; at++) {
    assert.deepEqual(framesOf([stream.subarray(0, at), stream.subarray(at)]), Object.keys(vectors));
  }
  assert.deepEqual(framesOf(Array.from(stream, (byte) => Buffer.of(byte))), Object.keys(vectors));
});

function framesOf(chunks: readonly Buffer[]): string[] {
  const reader = new FrameReader();
  const frames: string[] = [];
  for (const chunk of chunks) {
    reader.append(chunk);
    for (let frame; (frame = reader.next(findTextFrame, 1000)) !== undefined;) frames.push(frame.subarray(0, -1).toString());
  }
  assert.ok(reader.isEmpty, 'nothing is left over');
  return frames;
}

test('frames that were handed out stay as they are, whatever comes behind them', () => {
  const reader = new FrameReader();
  const frames: Buffer[] = [];
  const texts = Array.from({ length: 200 }, (_, n) => `${n}${'x'.repeat(n % 17)}`);
  const stream = Buffer.from(texts.map((text) => `${text}\u001e`).join(''));
  for (let at = 0; at < stream.length; at += 7) {
    reader.append(stream.subarray(at, at + 7));
    for (let frame; (frame = reader.next(findTextFrame, 1000)) !== undefined;) frames.push(frame);
  }
  assert.deepEqual(
    frames.map((frame) => frame.subarray(0, -1).toString()),
    texts,
  );
});

test('a large message byte by byte costs no more than its bytes', () => {
  const reader = new FrameReader();
  const looked: number[] = [];
  const find: typeof findTextFrame = (bytes, from, unseen) => {
    looked.push(bytes.length - unseen);
    return findTextFrame(bytes, from, unseen);
  };
  for (let n = 0; n < 10_000; n++) {
    reader.append(Buffer.from('x'));
    assert.equal(reader.next(find, 20_000), undefined);
  }
  reader.append(Buffer.from('\u001e'));
  const frame = reader.next(find, 20_000) ?? assert.fail();
  assert.equal(frame.length, 10_001);
  assert.deepEqual(new Set(looked), new Set([1]));
});

test('the size limit counts the framing, and no more than one message', () => {
  const reader = new FrameReader();
  reader.append(Buffer.from('123456789\u001e123456789\u001e'));
  assert.equal(reader.next(findTextFrame, 10)?.length, 10);
  assert.throws(() => reader.next(findTextFrame, 9), { message: /^The maximum message size of 9B was exceeded\./ });
  const unfinished = new FrameReader();
  unfinished.append(Buffer.from('1234567890'));
  assert.equal(unfinished.next(findTextFrame, 10), undefined);
  unfinished.append(Buffer.from('1'));
  assert.throws(() => unfinished.next(findTextFrame, 10), ProtocolError);
});

test('objects of any members raise protocol errors and nothing else', () => {
  const type = fc.oneof(fc.nat({ max: 10 }), fc.jsonValue());
  const members = ['headers', 'invocationId', 'target', 'arguments', 'streamIds', 'item', 'result', 'error', 'allowReconnect'];
  const object = fc.tuple(type, fc.dictionary(fc.constantFrom(...members, 'sequenceId', '__proto__', 'x'), fc.jsonValue()));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        object.map(([each, rest]) => JSON.stringify({ ...rest, type: each })),
      ),
      (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

const official = new JsonHubProtocol();

const officialText = (message: HubMessage): string => Reflect.apply(official.writeMessage, official, [message]);

test('what we write is what the official library writes, byte for byte', () => {
  fc.assert(
    fc.property(messagesOf(jsonValue), (each) => assert.equal(encode(each), officialText(each))),
    { numRuns: 500 },
  );
});

test('we read what the official library writes', () => {
  fc.assert(
    fc.property(messagesOf(jsonValue), (each) => assert.deepEqual(jsonProtocol.parse(Buffer.from(officialText(each))), each)),
    { numRuns: 500 },
  );
});

test('the official library reads what we write, of all that a client gets', () => {
  const message = messagesOf(jsonValue).filter(({ type }) => type !== 4 && type !== 5);
  fc.assert(
    fc.property(message, (each) => {
      assert.deepEqual(official.parseMessages(encode(each), NullLogger.instance), [each]);
    }),
    { numRuns: 500 },
  );
});
