/**
 * One outgoing WebSocket message in one buffer, so that it costs one write. Servers do not mask.
 *
 * @see RFC 6455, section 5.2
 */
import type { Chunk } from './transport.ts';

const FINAL_TEXT = 0x81;
const FINAL_BINARY = 0x82;

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

/** The chunks in one buffer. */
export function joinChunks(chunks: readonly Chunk[], bytes: number): Buffer {
  const joined = Buffer.allocUnsafe(bytes);
  copyChunks(chunks, joined, 0);
  return joined;
}

function copyChunks(chunks: readonly Chunk[], target: Buffer, from: number): void {
  let at = from;
  for (const chunk of chunks) {
    if (typeof chunk === 'string') {
      at += target.write(chunk, at);
    } else {
      target.set(chunk, at);
      at += chunk.byteLength;
    }
  }
}
