/**
 * JSON text of single values, as hub messages hold them. Reading uses no reviver: V8's reader then takes any depth without
 * recursion.
 */
import { isUtf8 } from 'node:buffer';
import { firstContainer } from '../../json/json-text.ts';
import { ProtocolError } from './protocol-error.ts';
import { RawJson } from './raw-json.ts';

/** @throws ProtocolError when the bytes are not the UTF-8 text of one JSON object */
export function parseJsonObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  const value = parse(bytes);
  if (isObject(value)) return value;
  throw unexpected(tokenName(value));
}

function unexpected(token: string): ProtocolError {
  return new ProtocolError(`Unexpected JSON Token Type '${token}'. Expected a JSON Object.`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new ProtocolError('Error reading JSON.');
  const text = bytes.toString();
  try {
    return JSON.parse(text);
  } catch {
    return parseFirst(text);
  }
}

/** By ASP.NET Core's names. A brace is none of them. */
const FIRST_TOKEN =
  /^[\t\n\r ]*(?:(?<Array>\[)|(?<Null>null)|(?<True>true)|(?<False>false)|(?<Number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[Ee][+-]?\d+)?(?=[\t\n\r ,\]}]))|(?<String>"[^"\\]*(?:\\(?:["/\\bfnrt]|u[\dA-Fa-f]{4})[^"\\]*)*"))/;

/** ASP.NET Core overlooks what stands behind the object in its frame, and behind the first token if that begins none. */
function parseFirst(text: string): unknown {
  const tokens = Object.entries(FIRST_TOKEN.exec(text)?.groups ?? {});
  const [name] = tokens.find(([, token]) => token !== undefined) ?? [];
  if (name !== undefined) throw unexpected(name);
  try {
    return JSON.parse(firstContainer(text) ?? '');
  } catch {
    // The reader's own error quotes the text, which may hold anything: it is left behind.
    throw new ProtocolError('Error reading JSON.');
  }
}

function tokenName(value: unknown): string {
  if (value === null) return 'Null';
  if (Array.isArray(value)) return 'Array';
  const name = typeof value === 'boolean' ? String(value) : typeof value;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/**
 * Bytes become base64, dates ISO 8601, safe BigInts numbers; what JSON has no word for (undefined, functions) null.
 *
 * @throws TypeError for a cycle or a BigInt beyond 2^53-1, RangeError when nested too deeply
 */
export function encodeJsonValue(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  // The replacer is slow, and plain values have nothing to replace.
  const isPlain = typeof value !== 'object' && typeof value !== 'bigint';
  return (isPlain ? JSON.stringify(value) : JSON.stringify(value, replace)) ?? 'null';
}

function replace(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return numberOf(value);
  if (typeof value !== 'object') return value;
  // A Buffer's own toJSON has been called by now, so look at what stood there.
  const original = this[key];
  return original instanceof Uint8Array ? base64(original) : value;
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

function numberOf(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new TypeError(`the BigInt ${value} does not fit into a JSON number`);
  return number;
}
