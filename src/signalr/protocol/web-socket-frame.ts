/**
 * One outgoing WebSocket message in one buffer, so that it costs one write; and of what comes in, the one kind of frame that
 * nearly all clients send nearly always: a whole unfragmented message, in one piece. Any other, and all that is wrong, is
 * left to a full implementation: no rule is kept here but those by which such a frame is told from others.
 *
 * @see RFC 6455, section 5.2
 */
import { isUtf8 } from 'node:buffer';
import { type Chunk, copyChunks } from './chunks.ts';

/** The only or last frame of a message, without extensions. */
const FINAL_TEXT = 0x81;
const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** These in place of a length say that it follows, in two or in eight bytes. */
const TWO_BYTE_LENGTH = 126;
const EIGHT_BYTE_LENGTH = 127;

/** Servers do not mask. */
export function webSocketFrame(chunks: readonly Chunk[], bytes: number, binary: boolean): Buffer {
  const headBytes = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + bytes);
  frame[0] = binary ? FINAL_BINARY : FINAL_TEXT;
  if (headBytes === 2) {
    frame[1] = bytes;
  } else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(bytes), 2);
  }
  copyChunks(chunks, frame, headBytes);
  return frame;
}

export interface PlainFrame {
  /** Unmasked in place: it shares memory with what was read. */
  readonly payload: Buffer;
  /** Of the whole frame. */
  readonly bytes: number;
}

/**
 * Undefined, and the bytes as they were: what begins here is not such a frame, or not all of it.
 * @param maxBytes a longer payload is none of ours either
 */
export function readPlainFrame(bytes: Buffer, maxBytes: number): PlainFrame | undefined {
  const [first, second = 0] = bytes;
  if ((first !== FINAL_TEXT && first !== FINAL_BINARY) || (second & MASKED) === 0) return undefined;
  const shortLength = second & ~MASKED;
  if (shortLength === EIGHT_BYTE_LENGTH || bytes.length < 4) return undefined;
  const length = shortLength === TWO_BYTE_LENGTH ? bytes.readUInt16BE(2) : shortLength;
  const maskAt = shortLength === TWO_BYTE_LENGTH ? 4 : 2;
  const start = maskAt + MASK_BYTES;
  if (length > maxBytes || bytes.length < start + length) return undefined;
  const payload = bytes.subarray(start, start + length);
  const mask = bytes.subarray(maskAt, start);
  toggleMask(payload, mask);
  if (first === FINAL_BINARY || isUtf8(payload)) return { payload, bytes: start + length };
  toggleMask(payload, mask);
  return undefined;
}

/** Masks what is not masked, and the reverse. */
function toggleMask(payload: Buffer, mask: Buffer): void {
  const [a = 0, b = 0, c = 0, d = 0] = mask;
  const key = [a, b, c, d];
  for (let index = 0; index < payload.length; index++) payload[index] = (payload[index] ?? 0) ^ (key[index & 3] ?? 0);
}
