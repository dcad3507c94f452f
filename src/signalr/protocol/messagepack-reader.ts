/**
 * Reads MessagePack one value after the other, so that whoever reads knows how far he got. Whatever the bytes announce,
 * memory is taken only for what is really there. Knows nothing of hub messages.
 */
import { decodeTimestampToTimeSpec, EXT_TIMESTAMP } from '@msgpack/msgpack';
import { ProtocolError } from './protocol-error.ts';

/** Arrays and maps inside each other; ASP.NET Core's limit too. */
export const MAX_DEPTH = 500;

const NIL = 0xc0;

export class MessagePackReader {
  readonly #bytes: Buffer;
  #at = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The number of items of the array that begins here. @throws ProtocolError naming the field when there is none */
  arrayLength(field: string): number {
    const length = this.#count(0x90, 0xdc);
    if (length === undefined || length > this.#left) throw new ProtocolError(`Reading array length for '${field}' failed.`);
    return length;
  }

  /** The number of keys of the map that begins here; nil has none. @throws ProtocolError naming the field when there is neither */
  mapLength(field: string): number {
    if (this.#bytes[this.#at] === NIL) {
      this.#at++;
      return 0;
    }
    const length = this.#count(0x80, 0xde);
    if (length === undefined || 2 * length > this.#left) throw new ProtocolError(`Reading map length for '${field}' failed.`);
    return length;
  }

  /** @throws ProtocolError naming the field when there is no integer, or one that does not fit; of 64 bits, 53 do */
  integer(field: string, type: 'Int32' | 'Int64'): number {
    const isFloat = ((this.#bytes[this.#at] ?? 0) & 0xfe) === 0xca;
    const value = this.#attempt();
    if (typeof value === 'number' && !isFloat && (type === 'Int64' || (value | 0) === value)) return value;
    throw new ProtocolError(`Reading '${field}' as ${type} failed.`);
  }

  /** Undefined for nil. @throws ProtocolError naming the field when there is neither text nor nil */
  text(field: string): string | undefined {
    const value = this.#attempt();
    if (value === null) return undefined;
    if (typeof value !== 'string') throw new ProtocolError(`Reading '${field}' as String failed.`);
    return value;
  }

  /** @throws ProtocolError naming the field when there is none */
  boolean(field: string): boolean {
    const value = this.#attempt();
    if (typeof value !== 'boolean') throw new ProtocolError(`Reading '${field}' as Boolean failed.`);
    return value;
  }

  /**
   * Whatever stands here. Integers beyond 2^53-1 become BigInts, timestamps Dates, bytes a copy; invalid UTF-8 is replaced.
   * @throws ProtocolError when it is cut short or too deep, or has no meaning here: other extensions, keys like `__proto__`
   */
  value(): unknown {
    const head = this.#bytes[this.#take(1)] ?? 0;
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    return head < 0xe0 ? this.#sized(head) : head - 0x100;
  }

  /** Heads that are followed by 1, 2, 4 … bytes of length or number. */
  #sized(head: number): unknown {
    if (head === NIL) return null;
    if (head === 0xc1) throw new ProtocolError('MessagePack has no type 0xc1.');
    if (head < 0xc4) return head === 0xc3;
    if (head < 0xc7) return this.#binary(this.#length(1 << (head - 0xc4)));
    if (head < 0xca) return this.#extension(this.#length(1 << (head - 0xc7)));
    if (head === 0xca) return this.#bytes.readFloatBE(this.#take(4));
    if (head === 0xcb) return this.#bytes.readDoubleBE(this.#take(8));
    if (head < 0xd0) return this.#unsigned(1 << (head - 0xcc));
    if (head < 0xd4) return this.#signed(1 << (head - 0xd0));
    if (head < 0xd9) return this.#extension(1 << (head - 0xd4));
    if (head < 0xdc) return this.#text(this.#length(1 << (head - 0xd9)));
    if (head < 0xde) return this.#array(this.#length(2 << (head - 0xdc)));
    return this.#map(this.#length(2 << (head - 0xde)));
  }

  /** Undefined when nothing can be read here. */
  #attempt(): unknown {
    try {
      return this.value();
    } catch {
      return undefined;
    }
  }

  /** Of an array or a map: in its head, or in the two or four bytes behind it. */
  #count(short: number, long: number): number | undefined {
    const head = this.#bytes[this.#at++] ?? 0;
    if ((head & 0xf0) === short) return head & 0x0f;
    const size = 2 << (head - long);
    return (head === long || head === long + 1) && size <= this.#left ? this.#length(size) : undefined;
  }

  get #left(): number {
    return this.#bytes.length - this.#at;
  }

  #length(size: number): number {
    return this.#bytes.readUIntBE(this.#take(size), size);
  }

  #unsigned(size: number): number | bigint {
    return size < 8 ? this.#length(size) : numberIfSafe(this.#bytes.readBigUInt64BE(this.#take(8)));
  }

  #signed(size: number): number | bigint {
    if (size === 8) return numberIfSafe(this.#bytes.readBigInt64BE(this.#take(8)));
    return this.#bytes.readIntBE(this.#take(size), size);
  }

  #text(length: number): string {
    const from = this.#take(length);
    return this.#bytes.toString('utf8', from, from + length);
  }

  /** A copy: what the app keeps must not keep alive all that arrived with it. */
  #binary(length: number): Uint8Array {
    const from = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(from, from + length));
  }

  #array(length: number): unknown[] {
    this.#descend(length);
    const items: unknown[] = [];
    for (let left = length; left > 0; left--) items.push(this.value());
    this.#depth--;
    return items;
  }

  #map(length: number): Record<string, unknown> {
    this.#descend(2 * length);
    const map: Record<string, unknown> = {};
    for (let left = length; left > 0; left--) {
      const key = this.#key();
      map[key] = this.value();
    }
    this.#depth--;
    return map;
  }

  #key(): string {
    const key = this.value();
    if (typeof key === 'number' || typeof key === 'bigint') return String(key);
    if (typeof key !== 'string' || key === '__proto__')
      throw new ProtocolError('Map keys must be texts or numbers, and not __proto__.');
    return key;
  }

  /** Each of the items takes at least one byte. */
  #descend(items: number): void {
    if (items > this.#left) throw cutShort();
    if (++this.#depth > MAX_DEPTH) throw new ProtocolError(`More than ${MAX_DEPTH} arrays and maps inside each other.`);
  }

  #extension(length: number): Date {
    const type = this.#bytes.readInt8(this.#take(1));
    const from = this.#take(length);
    if (type !== EXT_TIMESTAMP || ![4, 8, 12].includes(length)) {
      throw new ProtocolError(`The MessagePack extension type ${type} of ${length} bytes is not supported.`);
    }
    const { sec, nsec } = decodeTimestampToTimeSpec(this.#bytes.subarray(from, from + length));
    // Cut off, never rounded up: the last moment of a year stays in it.
    const date = new Date(sec * 1000 + Math.floor(nsec / 1_000_000));
    if (Number.isNaN(date.getTime())) throw new ProtocolError('A timestamp lies beyond what a Date can hold.');
    return date;
  }

  /** Steps over this many bytes; returns where they begin. */
  #take(length: number): number {
    if (length > this.#left) throw cutShort();
    const from = this.#at;
    this.#at += length;
    return from;
  }
}

function cutShort(): ProtocolError {
  return new ProtocolError('A MessagePack value is cut short.');
}

function numberIfSafe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
