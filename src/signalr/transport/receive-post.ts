/**
 * Takes in the POSTs of a connection: one after the other in the order of their arrival, each whole before a byte of it
 * counts, so that a torn body cannot tear the framing.
 */
import type { IncomingMessage } from 'node:http';
import type { Exchange } from './admit.ts';
import { answerEmpty, lastOnItsConnection, refuseUnknown } from './answer.ts';
import type { HttpConnection } from './http-connection.ts';

export async function receivePost<P>(connection: HttpConnection<P>, exchange: Exchange): Promise<void> {
  const posts = (connection.posts ??= { waiting: 0, last: Promise.resolve() });
  if (posts.waiting >= connection.settings.maxConcurrentPosts) {
    answerEmpty(exchange.response, 429, { 'Retry-After': 1 });
    return;
  }
  posts.waiting++;
  const before = posts.last;
  const { promise, resolve } = Promise.withResolvers<void>();
  posts.last = promise;
  try {
    await before;
    await takeIn(connection, exchange);
  } finally {
    resolve();
    if (--posts.waiting === 0) connection.posts = undefined;
  }
}

async function takeIn<P>(connection: HttpConnection<P>, exchange: Exchange): Promise<void> {
  const { incoming, response } = exchange;
  const body = await readBody(incoming, connection.settings.maxBodyBytes);
  if (exchange.isGone) return;
  if (body === 'torn') {
    answerEmpty(response, 400, lastOnItsConnection(response));
  } else if (body === 'too large') {
    answerEmpty(response, 413, lastOnItsConnection(response));
  } else if (!connection.isReachable) {
    refuseUnknown(response);
  } else {
    // Of a connection that has ended it is overlooked: a poll is what tells why, not the failure of a POST.
    connection.receive(body);
    await accepted(connection);
    answerEmpty(response, 200);
  }
}

/** Resolves when the input queue has room. */
async function accepted<P>(connection: HttpConnection<P>): Promise<void> {
  const { inputHighWaterBytes } = connection.settings;
  while (!connection.isClosed && connection.inputBytes > inputHighWaterBytes) {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (connection.posts !== undefined) connection.posts.wake = resolve;
    await promise;
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
