/** `node:http` and `ws`: a frame is a message, an answer is a small frame. */
import { textFrame } from '../generator/web-socket.ts';
import { cachedFrames, countOf, plainId, type Dialect } from './dialect.ts';

export function wsDialect(): Dialect {
  return {
    open: async (index) => ({ id: plainId(index), path: `/ws?id=${plainId(index)}` }),
    greet: (page) => page.ready(),
    read: (page, payload) => page.take(payload, 0),
    ack: cachedFrames((sequence) => textFrame(`{"ack":${sequence}}`)),
    post: (id) => ({ path: `/send/${id}`, headers: ['Content-Type: application/json'] }),
    keepAlive: undefined,
    countAcks: (_ids, https) => countOf(https),
  };
}
