/**
 * Values as MessagePack writes them: what an app may hand over, brought into what the encoder knows.
 */
import { Encoder } from '@msgpack/msgpack';
import { MAX_DEPTH } from './messagepack-reader.ts';

/** An encoder keeps the buffer of its largest message: beyond this size it is replaced. */
const KEPT_BYTES = 65_536;

let encoder = createEncoder();

function createEncoder(): Encoder {
  // The message and its arguments are two levels around a value, and what it holds innermost is one more. Numbers of more than
  // 32 bits come as BigInts, see below.
  return new Encoder({ useBigInt64: true, maxDepth: MAX_DEPTH + 3 });
}

/**
 * The bytes of a value made of what {@link messagePackValue} returns. Good until the next call.
 */
export function encodeMessagePack(value: unknown): Uint8Array {
  const bytes = encoder.encodeSharedRef(value);
  if (bytes.length > KEPT_BYTES) encoder = createEncoder();
  return bytes;
}

/**
 * Bytes and dates stay such; integers, BigInts too, get the shortest form that holds them; what has a `toJSON` is what that
 * returns; undefined, functions, symbols and invalid dates are nil. Other objects are maps of their own members.
 *
 * @throws TypeError for a BigInt of more than 64 bits, RangeError when nested too deeply or in a circle
 */
export function messagePackValue(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'number':
      return isLong(value) ? BigInt(value) : value;
    case 'bigint':
      return shortest(value);
    case 'object':
      return value === null ? null : fromObject(value, depth);
    case 'function':
    case 'symbol':
      return null;
    default:
      return value;
  }
}

/** The encoder would make it a float. */
function isLong(value: number): boolean {
  return Number.isSafeInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000);
}

function shortest(value: bigint): number | bigint {
  if (value >= -0x8000_0000n && value <= 0xffff_ffffn) return Number(value);
  if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) return value;
  throw new TypeError(`the BigInt ${value} has more than 64 bits`);
}

function fromObject(value: object, depth: number): unknown {
  if (depth >= MAX_DEPTH) throw new RangeError(`more than ${MAX_DEPTH} objects inside each other`);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
  if (ArrayBuffer.isView(value)) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map((item) => messagePackValue(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return messagePackValue(value.toJSON(), depth + 1);
  return membersOf(value, depth);
}

/** A copy, in which most members stay as they are: the quickest way there is, and a member `__proto__` stays a member. */
function membersOf(value: object, depth: number): Readonly<Record<string, unknown>> {
  const members: Record<string, unknown> = { ...value };
  for (const name of Object.keys(members)) {
    const member = members[name];
    const written = messagePackValue(member, depth + 1);
    if (written !== member) members[name] = written;
  }
  return members;
}
