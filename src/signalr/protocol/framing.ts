/**
 * Cuts a byte stream into frames, whatever way the transport split or joined it. Knows nothing of what is in a frame.
 */
import { ProtocolError } from './protocol-error.ts';

export const RECORD_SEPARATOR = 0x1e;

/**
 * Where the frame beginning at `from` ends: the index behind its last byte, -1 while it is incomplete.
 * @throws ProtocolError when no further byte can make it a frame
 */
export type FindFrame = (bytes: Buffer, from: number) => number;

/** Text frames end with the record separator. */
export const findTextFrame: FindFrame = (bytes, from) => bytes.indexOf(RECORD_SEPARATOR, from) + 1 || -1;

export class FrameReader {
  #bytes: Buffer | undefined;
  #position = 0;

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const rest = this.#bytes;
    this.#bytes = rest === undefined ? chunk : Buffer.concat([rest.subarray(this.#position), chunk]);
    this.#position = 0;
  }

  /**
   * The next whole frame, undefined until more bytes come. It shares memory with what was appended.
   * @throws ProtocolError when it exceeds `maxBytes`, framing included
   */
  next(find: FindFrame, maxBytes: number): Buffer | undefined {
    const bytes = this.#bytes;
    if (bytes === undefined) return undefined;
    const from = this.#position;
    const end = find(bytes, from);
    if ((end < 0 ? bytes.length : end) - from > maxBytes) throw new ProtocolError(tooLarge(maxBytes));
    if (end < 0) return undefined;
    this.#position = end;
    if (end === bytes.length) this.clear();
    return bytes.subarray(from, end);
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined;
  }

  clear(): void {
    this.#bytes = undefined;
    this.#position = 0;
  }
}

function tooLarge(maxBytes: number): string {
  return `The maximum message size of ${maxBytes}B was exceeded. The message size can be configured in AddHubOptions.`;
}
