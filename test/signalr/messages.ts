/**
 * Generated hub messages of every type, for the properties that hold for each protocol.
 */
import fc from 'fast-check';
import type { HubMessage } from '../../src/signalr/protocol/messages.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 60 });
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const key = name.filter((each) => each !== '__proto__');
const wholes = fc.oneof(fc.integer(), fc.maxSafeInteger());
const doubles = fc.double({ noNaN: true, noDefaultInfinity: true });
/** Neither protocol can tell -0 from 0. */
const number = fc.oneof(wholes, doubles).map((value) => (value === 0 ? 0 : value));

/** What JSON can say. */
export const jsonValue = valueOf(fc.oneof(fc.constant(null), fc.boolean(), number, text));

/** What MessagePack can say, and every SignalR library reads. */
export const messagePackValue = valueOf(
  fc.oneof(fc.constant(null), fc.boolean(), number, text, fc.uint8Array({ maxLength: 300 }), fc.date({ noInvalidDate: true })),
);

function valueOf(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
    ),
  }));
  return value;
}

/** Members in the order in which they are written; what is optional is there or not. */
export function messagesOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<HubMessage> {
  const headers = fc.dictionary(key, text, { minKeys: 1, maxKeys: 20, noNullPrototype: true });
  const call = { headers, invocationId: name, target: name, arguments: fc.array(value, { maxLength: 20 }) };
  const streamIds = fc.array(name, { minLength: 1, maxLength: 20 });
  const type = <T extends number>(number: T): fc.Arbitrary<T> => fc.constant(number);
  const message = fc.oneof(
    fc.record({ type: type(1), ...call, streamIds }, { requiredKeys: ['type', 'target', 'arguments'] }),
    fc.record({ type: type(4), ...call, streamIds }, { requiredKeys: ['type', 'invocationId', 'target', 'arguments'] }),
    fc.record({ type: type(2), headers, invocationId: name, item: value }, { requiredKeys: ['type', 'invocationId', 'item'] }),
    fc.record({ type: type(3), headers, invocationId: name, result: value }, { requiredKeys: ['type', 'invocationId'] }),
    fc.record({ type: type(3), headers, invocationId: name, error: name }, { requiredKeys: ['type', 'invocationId'] }),
    fc.record({ type: type(5), headers, invocationId: name }, { requiredKeys: ['type', 'invocationId'] }),
    fc.constant<HubMessage>({ type: 6 }),
    fc.record({ type: type(7), error: text, allowReconnect: fc.constant(true) }, { requiredKeys: ['type'] }),
    fc.record({ type: fc.constantFrom(8 as const, 9 as const), sequenceId: fc.nat({ max: Number.MAX_SAFE_INTEGER }) }),
  ); // Without the null prototypes of the generator.
  return message.map((each) => ({ ...each }));
}
