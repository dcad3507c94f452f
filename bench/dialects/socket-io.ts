/** Engine.IO 4 and Socket.IO 5 over WebSocket alone: packets are texts with one or two digits in front. */
import { textFrame, type Lent } from '../generator/web-socket.ts';
import { cachedFrames, countOf, plainId, type Dialect, type Page } from './dialect.ts';

const OPEN = 48; // '0'
const PING = 50; // '2'
const MESSAGE = 52; // '4'
const CONNECT = 48;
const EVENT = 50;

const CONNECT_FRAME = textFrame('40');
const PONG_FRAME = textFrame('3');

export function socketIoDialect(): Dialect {
  return {
    open: async (index) => ({ id: plainId(index), path: `/socket.io/?EIO=4&transport=websocket&id=${plainId(index)}` }),
    greet: () => undefined,
    read,
    ack: cachedFrames((sequence) => textFrame(`42["ack",${sequence}]`)),
    post: (id) => ({ path: `/send/${id}`, headers: ['Content-Type: application/json'] }),
    keepAlive: undefined, // here the server asks, and the page answers
    countAcks: (_ids, https) => countOf(https),
  };
}

function read(page: Page, payload: Lent): void {
  const first = payload.bytes[payload.start];
  const second = payload.bytes[payload.start + 1];
  if (first === MESSAGE && second === EVENT) page.take(payload, 0);
  else if (first === OPEN) page.write(CONNECT_FRAME);
  else if (first === MESSAGE && second === CONNECT) page.ready();
  else if (first === PING) page.write(PONG_FRAME);
  else
    throw new Error(
      `unexpected packet ${payload.bytes.toString('latin1', payload.start, Math.min(payload.end, payload.start + 80))}`,
    );
}
