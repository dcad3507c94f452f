/**
 * Cuts a byte stream into frames, whatever way the transport split or joined it. Knows nothing of what is in a frame.
 */
import { ProtocolError } from './protocol-error.ts';

export const RECORD_SEPARATOR = 0x1e;

/**
 * Where the frame beginning at `from` ends: the index behind its last byte, which may be yet to come; -1 while that is
 * unknown. What lies before `unseen` it has been shown before, without finding the end.
 * @throws ProtocolError when no further byte can make it a frame
 */
export type FindFrame = (bytes: Buffer, from: number, unseen: number) => number;

/** Of a frame that no parser of the protocol would take. */
class LengthError extends ProtocolError {
  override readonly name = 'FormatException';
}

/** Text frames end with the record separator. */
export const findTextFrame: FindFrame = (bytes, _from, unseen) => bytes.indexOf(RECORD_SEPARATOR, unseen) + 1 || -1;

/** Binary frames begin with their length, seven bits a byte, the low ones first; at most 2^31-1. */
export const findBinaryFrame: FindFrame = (bytes, from) => {
  let length = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (at - from === 4 && byte > 7) throw new LengthError('Messages over 2GB in size are not supported.');
    length += (byte & 0x7f) << (7 * (at - from));
    if (byte < 0x80) return at + 1 + length;
  }
  return -1;
};

/** What is in a whole binary frame. */
export function binaryPayload(frame: Buffer): Buffer {
  let at = 0;
  while ((frame[at] ?? 0) >= 0x80) at++;
  return frame.subarray(at + 1);
}

export function binaryFrame(payload: Uint8Array): Buffer {
  const lengthBytes = Math.max(1, Math.ceil((32 - Math.clz32(payload.length)) / 7));
  const frame = Buffer.allocUnsafe(lengthBytes + payload.length);
  for (let at = 0; at < lengthBytes; at++) {
    frame[at] = ((payload.length >>> (7 * at)) & 0x7f) | (at < lengthBytes - 1 ? 0x80 : 0);
  }
  frame.set(payload, lengthBytes);
  return frame;
}

export class FrameReader {
  #bytes: Buffer | undefined;
  /** What is between these two is not yet taken; behind it there may be room for more. */
  #position = 0;
  #end = 0;
  /** So many of them do not end the frame. */
  #seen = 0;

  /** Copies nothing unless a frame is unfinished; then with room to spare, so that many small pieces cost what one large does. */
  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#bytes === undefined) this.#bytes = chunk;
    else if (this.#bytes.length - this.#end >= chunk.length) chunk.copy(this.#bytes, this.#end);
    else this.#bytes = this.#grown(this.#bytes.subarray(this.#position, this.#end), chunk);
    this.#end += chunk.length;
  }

  /**
   * The next whole frame, undefined until more bytes come. It shares memory with what was appended.
   * @throws ProtocolError when it exceeds `maxBytes`, framing included
   */
  next(find: FindFrame, maxBytes: number): Buffer | undefined {
    if (this.#bytes === undefined) return undefined;
    const bytes = this.#end === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#end);
    const from = this.#position;
    const end = find(bytes, from, from + this.#seen);
    if ((end < 0 ? bytes.length : end) - from > maxBytes) throw new ProtocolError(tooLarge(maxBytes));
    this.#seen = end < 0 ? bytes.length - from : 0;
    if (end < 0 || end > bytes.length) return undefined;
    this.#position = end;
    if (end === bytes.length) this.clear();
    return bytes.subarray(from, end);
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined;
  }

  clear(): void {
    this.#bytes = undefined;
    this.#position = this.#end = this.#seen = 0;
  }

  /** In memory of its own: frames that were handed out stay as they are. */
  #grown(rest: Buffer, chunk: Buffer): Buffer {
    const bytes = Buffer.allocUnsafeSlow(2 * (rest.length + chunk.length));
    rest.copy(bytes);
    chunk.copy(bytes, rest.length);
    this.#position = 0;
    this.#end = rest.length;
    return bytes;
  }
}

function tooLarge(maxBytes: number): string {
  return `The maximum message size of ${maxBytes}B was exceeded. The message size can be configured in AddHubOptions.`;
}
