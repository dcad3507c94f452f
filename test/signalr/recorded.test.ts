/**
 * What ASP.NET Core made of single messages, recorded, and that ours makes the same of them.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { binaryFrame } from '../../src/signalr/protocol/framing.ts';
import type { HubProtocol } from '../../src/signalr/protocol/hub-protocol.ts';
import { jsonProtocol } from '../../src/signalr/protocol/json.ts';
import { messagePackProtocol } from '../../src/signalr/protocol/messagepack.ts';
import { ProtocolError } from '../../src/signalr/protocol/protocol-error.ts';

interface Recording {
  readonly source: string;
  readonly messages: readonly Recorded[];
}

interface Recorded {
  readonly what: string;
  readonly bytes?: string;
  readonly text?: string;
  readonly closes?: string | null;
  readonly fails?: string;
}

/** Where ours does otherwise, and why. */
const onPurpose: Record<string, Record<string, string>> = {
  json: {
    'type 1e0': 'a number is a number',
    'type 1.0': 'a number is a number',
    'unused member of the wrong type': 'what is not used is not looked at',
    'item id empty': 'refused, too, as an id that is missing: in any order of the members',
    'item before id': 'members may come in any order',
    'lone surrogate': 'JavaScript has such texts, and writes them as escapes',
    'depth 64': 'the size of a message is the limit',
    'depth 65': 'the size of a message is the limit',
    'depth 64 in unknown member': 'the size of a message is the limit',
    'ack 2^53': 'numbers are exact up to 2^53-1',
  },
  messagepack: {
    'wrong count and bad value': 'fails, too, but what is unreadable is said before it is counted',
    'args __proto__': 'refused, as the official JavaScript library does',
    'unknown method, bad args': 'which methods there are, the dispatcher knows, and says first',
    'headers nil': 'as good as none',
    'header twice': 'the last one holds, as in JSON',
    'Completion result missing': 'fails that call, whether or not anybody waits for it',
    'Completion result bad': 'fails that call, whether or not anybody waits for it',
  },
};

for (const [protocol, frameOf] of [
  [jsonProtocol, ({ text = '' }) => Buffer.from(`${text}\u001e`)],
  [messagePackProtocol, ({ bytes = '' }) => binaryFrame(Buffer.from(bytes, 'hex'))],
] satisfies [HubProtocol, (recorded: Recorded) => Buffer][]) {
  const { name } = protocol;
  const file = new URL(`aspnet-${name}.json`, import.meta.url);
  const { source, messages }: Recording = JSON.parse(readFileSync(file, 'utf8'));
  const different = onPurpose[name] ?? {};

  test(`${name}: single messages are taken as by ${source}`, () => {
    assert.ok(messages.length >= 70, `only ${messages.length} messages`);
    for (const recorded of messages.filter(({ what }) => !(what in different))) {
      const { what, closes, fails } = recorded;
      const expected = closes === undefined ? (fails ?? 'taken') : `closes: ${closes ?? ''}`;
      assert.equal(outcomeOf(protocol, frameOf(recorded), closes === null), expected, what);
    }
  });

  test(`${name}: where ours does otherwise on purpose, it does`, () => {
    for (const what of Object.keys(different)) {
      const recorded = messages.find((each) => each.what === what);
      assert.ok(recorded !== undefined, what);
      const { closes, fails } = recorded;
      const theirs = closes === undefined ? (fails ?? 'taken') : `closes: ${closes ?? ''}`;
      assert.notEqual(outcomeOf(protocol, frameOf(recorded), closes === null), theirs, what);
    }
  });
}

/** @param anyText the text of the error does not matter */
function outcomeOf(protocol: HubProtocol, frame: Buffer, anyText: boolean): string {
  try {
    const message = protocol.parse(frame);
    if (message?.type !== 1 && message?.type !== 4) return 'taken';
    // Nobody hears of a call without an id.
    return message.fault === undefined || !message.invocationId ? 'taken' : String(message.fault);
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return `closes: ${anyText ? '' : String(error)}`;
  }
}
