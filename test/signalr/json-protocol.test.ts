import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonHubProtocol, NullLogger } from '@microsoft/signalr';
import { FrameReader, findTextFrame } from '../../src/signalr/protocol/framing.ts';
import { jsonProtocol } from '../../src/signalr/protocol/json.ts';
import type { HubMessage } from '../../src/signalr/protocol/messages.ts';
import { ProtocolError } from '../../src/signalr/protocol/protocol-error.ts';
import { RawJson } from '../../src/signalr/protocol/raw-json.ts';

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
  for (const text of ['x{"type":6}', '{"type":6', '"{}" {}', '{"type":6,}x', '}{']) {
    assert.throws(() => parse(text), { message: 'Error reading JSON.' }, text);
  }
});

test('a type without meaning is no message and no error', () => {
  assert.equal(parse('{"type":99,"target":5}'), undefined);
});

const malformed: Record<string, string> = {
  '{}': "Missing required property 'type'.",
  '[]': "Unexpected JSON Token Type 'Array'. Expected a JSON Object.",
  null: "Unexpected JSON Token Type 'Null'. Expected a JSON Object.",
  '': 'Error reading JSON.',
  '{"type":"1"}': "Expected 'type' to be of type Number.",
  '{"type":1,"arguments":[]}': "Missing required property 'target'.",
  '{"type":1,"target":"T"}': "Missing required property 'arguments'.",
  '{"type":1,"target":"T","arguments":{}}': "Expected 'arguments' to be of type Array.",
  '{"type":1,"target":"T","arguments":[],"streamIds":"1"}': "Expected 'streamIds' to be of type Array.",
  '{"type":1,"target":"T","arguments":[],"invocationId":null}': "Expected 'invocationId' to be of type String.",
  '{"type":1,"headers":[],"target":"T","arguments":[]}': "Expected 'headers' to be of type StartObject.",
  '{"type":2,"invocationId":"1"}': "Missing required property 'item'.",
  '{"type":2,"item":1}': "Missing required property 'invocationId'.",
  '{"type":3,"invocationId":"123","error":"E","result":1}': "The 'error' and 'result' properties are mutually exclusive.",
  '{"type":4,"target":"T","arguments":[]}': "Missing required property 'invocationId'.",
  '{"type":7,"allowReconnect":1}': "Expected 'allowReconnect' to be of type Boolean.",
  '{"type":8}': "Missing required property 'sequenceId'.",
  '{"type":9,"sequenceId":1.5}': "Expected 'sequenceId' to be of type Number.",
};

for (const [text, message] of Object.entries(malformed)) {
  test(`${text || 'nothing'} is refused by name`, () => {
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

test('garbage raises protocol errors and nothing else', () => {
  const json = fc.json().map((text) => Buffer.from(text));
  fc.assert(
    fc.property(
      fc.oneof(
        json,
        fc.uint8Array().map(Buffer.from),
        fc.object().map((value) => Buffer.from(JSON.stringify({ type: 1, ...value }))),
      ),
      (bytes) => {
        try {
          parse(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('the official client reads what we write, and we what it writes', () => {
  const official = new JsonHubProtocol();
  const message = fc.record({
    target: fc.string({ minLength: 1 }),
    arguments: fc.array(fc.jsonValue()),
    invocationId: fc.string({ minLength: 1 }),
  });
  fc.assert(
    fc.property(message, (members) => {
      const ours = parse(Buffer.from(String(official.writeMessage({ type: 1, ...members }))).subarray(0, -1));
      assert.deepEqual(JSON.parse(JSON.stringify(ours)), JSON.parse(JSON.stringify({ type: 1, ...members })));
      const [theirs] = official.parseMessages(encode({ type: 1, ...members }), NullLogger.instance);
      assert.deepEqual(JSON.parse(JSON.stringify(theirs)), JSON.parse(JSON.stringify({ type: 1, ...members })));
    }),
    { numRuns: 300 },
  );
});
