/** What waits to be sent or read, in order, and how much that is. */
export class ChunkQueue<Chunk extends string | Uint8Array> {
  readonly chunks: Chunk[] = [];
  bytes = 0;

  push(chunk: Chunk): void {
    this.chunks.push(chunk);
    this.bytes += bytesOf(chunk);
  }

  /** Puts back in front. */
  unshift(chunk: Chunk): void {
    this.chunks.unshift(chunk);
    this.bytes += bytesOf(chunk);
  }

  /** Undefined when it is empty. */
  shift(): Chunk | undefined {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) this.bytes -= bytesOf(chunk);
    return chunk;
  }
}

export function bytesOf(chunk: string | Uint8Array): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;
}
