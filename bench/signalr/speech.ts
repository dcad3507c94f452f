/** How a client of a hub speaks: what it says first, when it is connected, and how it calls. Texts hold numbers, see `text.ts`. */
import { encode } from '@msgpack/msgpack';
import type { Lent } from '../generator/web-socket.ts';

export interface Speech {
  /** Of the WebSocket of this user. */
  pathOf(user: string): string;
  /** Said as soon as the WebSocket is open. */
  readonly greeting: Payload | undefined;
  /** What is to be said to this, if anything; or that it is the answer which makes the client ready. */
  hear(payload: Lent, isReady: boolean): Payload | 'ready' | undefined;
  /** A call that waits for its answer. */
  call(target: string, args: readonly string[]): Payload;
}

export interface Payload {
  readonly bytes: Buffer;
  readonly isBinary: boolean;
}

const SEPARATOR = '\x1e';
const PING = 50; // '2' of Engine.IO
const CONNECTED = Buffer.from('40');

const text = (value: string): Payload => ({ bytes: Buffer.from(value), isBinary: false });
const hubPath = (user: string): string => `/hub?user=${user}`;

/** Without negotiation; whatever comes first is the answer to the handshake. */
const signalR = {
  pathOf: hubPath,
  hear: (_payload: Lent, isReady: boolean) => (isReady ? undefined : ('ready' as const)),
};

export const speeches = {
  json: {
    ...signalR,
    greeting: text(`{"protocol":"json","version":1}${SEPARATOR}`),
    call: (target, args) => text(`${JSON.stringify({ type: 1, invocationId: '1', target, arguments: args })}${SEPARATOR}`),
  },
  messagepack: {
    ...signalR,
    greeting: text(`{"protocol":"messagepack","version":1}${SEPARATOR}`),
    call(target, args) {
      const message = encode([1, {}, '1', target, args, []]);
      // Two bytes are enough for the length of what is called here.
      const head = message.length < 0x80 ? [message.length] : [(message.length & 0x7f) | 0x80, message.length >> 7];
      return { bytes: Buffer.concat([Buffer.from(head), message]), isBinary: true };
    },
  },
  'socket.io': {
    pathOf: (user) => `/socket.io/?EIO=4&transport=websocket&user=${user}`,
    greeting: undefined,
    hear({ bytes, start, end }, isReady) {
      if (bytes[start] === PING) return text('3');
      if (isReady) return undefined;
      return bytes.subarray(start, Math.min(end, start + 2)).equals(CONNECTED) ? 'ready' : text('40');
    },
    call: (target, args) => text(`421${JSON.stringify([target, ...args])}`),
  },
} as const satisfies Record<string, Speech>;

export type SpeechName = keyof typeof speeches;
