/**
 * Takes in the POSTs of a connection: one after the other in the order of their arrival, each whole before a byte of it
 * counts, so that a torn body cannot tear the framing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerEmpty, refuseUnknown } from './answer.ts';
import type { HttpConnection } from './http-connection.ts';

export async function receivePost<P>(
  connection: HttpConnection<P>,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const posts = (connection.posts ??= { waiting: 0, last: Promise.resolve() });
  if (posts.waiting >= connection.settings.maxConcurrentPosts) {
    answerEmpty(response, 429, { 'Retry-After': 1 });
    return;
  }
  posts.waiting++;
  const before = posts.last;
  const { promise, resolve } = Promise.withResolvers<void>();
  posts.last = promise;
  try {
    await before;
    await takeIn(connection, incoming, response);
  } finally {
    resolve();
    if (--posts.waiting === 0) connection.posts = undefined;
  }
}

async function takeIn<P>(connection: HttpConnection<P>, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(incoming, connection.settings.maxBodyBytes);
  if (response.destroyed) return;
  if (body === 'torn') {
    answerEmpty(response, 400, { Connection: 'close' });
  } else if (body === 'too large') {
    answerEmpty(response, 413, { Connection: 'close' });
  } else if (connection.isClosed) {
    refuseUnknown(response);
  } else {
    connection.receive(body);
    await connection.accepted();
    answerEmpty(response, 200);
  }
}

async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | 'too large' | 'torn'> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) return 'torn';
      bytes += chunk.length;
      if (bytes > maxBytes) return 'too large';
      chunks.push(chunk);
    }
  } catch {
    return 'torn';
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes);
}
