/**
 * What holds for each hub protocol, on generated messages.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from '../../src/signalr/protocol/framing.ts';
import type { HubProtocol } from '../../src/signalr/protocol/hub-protocol.ts';
import { jsonProtocol } from '../../src/signalr/protocol/json.ts';
import { messagePackProtocol } from '../../src/signalr/protocol/messagepack.ts';
import type { HubMessage } from '../../src/signalr/protocol/messages.ts';
import { ProtocolError } from '../../src/signalr/protocol/protocol-error.ts';
import { jsonValue, messagePackValue, messagesOf } from './messages.ts';

const LARGEST = 1_000_000;

for (const [protocol, message] of [
  [jsonProtocol, messagesOf(jsonValue)],
  [messagePackProtocol, messagesOf(messagePackValue)],
] as const) {
  const { name } = protocol;
  const encode = (each: HubMessage): Buffer => Buffer.from(protocol.encode(each));

  test(`${name}: what we write we read`, () => {
    fc.assert(
      fc.property(message, (each) => assert.deepEqual(protocol.parse(encode(each)), each)),
      { numRuns: 500 },
    );
  });

  test(`${name}: a stream of messages is cut into the same ones wherever it is split`, () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), fc.array(fc.nat()), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(encode));
        const places = [0, ...cuts.map((cut) => cut % stream.length).sort((a, b) => a - b), stream.length];
        const pieces = places.slice(1).map((place, i) => stream.subarray(places[i], place));
        assert.deepEqual(messagesIn(protocol, pieces), messages);
      }),
      { numRuns: 200 },
    );
  });

  test(`${name}: a stream of one message of each type is, at every byte`, () => {
    const messages = fc.sample(message, { numRuns: 300, seed: 1 });
    const oneOfEach = [...Map.groupBy(messages, ({ type }) => type).values()].flatMap(([first]) => first ?? []);
    assert.ok(oneOfEach.length >= 8);
    const stream = Buffer.concat(oneOfEach.map(encode));
    assert.deepEqual(
      messagesIn(
        protocol,
        Array.from(stream, (byte) => Buffer.of(byte)),
      ),
      oneOfEach,
    );
    for (let at = 0; at <= stream.length; at++) {
      assert.deepEqual(messagesIn(protocol, [stream.subarray(0, at), stream.subarray(at)]), oneOfEach);
    }
  });

  test(`${name}: garbage raises protocol errors and nothing else`, () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const spoilt = fc.tuple(message.map(encode), changes).map(([bytes, each]) => {
      for (const [at, byte] of each) bytes[at % bytes.length] = byte;
      return bytes;
    });
    const cut = fc.tuple(message.map(encode), fc.nat()).map(([bytes, end]) => bytes.subarray(0, end % bytes.length));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array().map(Buffer.from), spoilt, cut), (bytes) => {
        try {
          protocol.parse(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test(`${name}: garbage in a stream raises protocol errors and nothing else`, () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (pieces) => {
        try {
          messagesIn(protocol, pieces.map(Buffer.from));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
}

function messagesIn(protocol: HubProtocol, pieces: readonly Buffer[]): HubMessage[] {
  const reader = new FrameReader();
  const messages: HubMessage[] = [];
  for (const piece of pieces) {
    reader.append(piece);
    for (let frame; (frame = reader.next(protocol.findFrame, LARGEST)) !== undefined;) {
      const message = protocol.parse(frame);
      if (message !== undefined) messages.push(message);
    }
  }
  return messages;
}
