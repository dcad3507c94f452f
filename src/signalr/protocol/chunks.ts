/**
 * What is sent in one go: units one after the other, not yet in one piece.
 */
export type Chunk = string | Uint8Array;

/** The chunks in one buffer. */
export function joinChunks(chunks: readonly Chunk[], bytes: number): Buffer {
  const joined = Buffer.allocUnsafe(bytes);
  copyChunks(chunks, joined, 0);
  return joined;
}

export function copyChunks(chunks: readonly Chunk[], target: Buffer, from: number): void {
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
