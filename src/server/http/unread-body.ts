/** What is done with a body that nobody will read, since its request is answered without it. Knows nothing of the answer. */
import type { IncomingMessage } from 'node:http';

/** A body that is not taken, but is no larger than this, is read to its end, so that its sender sees the answer. */
export const DRAINED_BYTES = 16 * 1024 * 1024;

/** Reads the rest without keeping it; one without an end is cut off. How long it may take is for the server's time-outs. */
export function drainRest(request: IncomingMessage): void {
  if (request.complete) return;
  let left = DRAINED_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.socket.destroy();
  });
}
