/** A way between two nodes: a front that passes on what clients send, and its owner; and peers that are none. For tests. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../../src/clock.ts';
import { silentLogger, type Logger } from '../../src/logger.ts';
import { Forwarder, type ForwarderOptions } from '../../src/server/peers/forwarder.ts';
import { PeerServer } from '../../src/server/peers/peer-server.ts';
import { acceptingAs } from '../../src/server/peers/secure-channel.ts';
import type { ForwardOutcome } from '../../src/signalr/index.ts';
import { eventually } from '../fixtures/eventually.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export const key = randomBytes(32);
export const OWNER = 'owner';

export interface WayOptions {
  /** What the owner does. */
  readonly answer?: Answer;
  /** Where the owner is said to be. Default: where it is. */
  readonly address?: string | undefined;
  readonly forwarder?: Partial<ForwarderOptions>;
  readonly clock?: Clock;
  readonly ownerKey?: Uint8Array;
  readonly maxBodyBytes?: number;
  readonly logger?: Logger;
}

/** A front for clients that passes everything on to the owner, and notes what became of it. */
export class Way implements AsyncDisposable {
  readonly outcomes: ForwardOutcome[] = [];
  readonly forwarder: Forwarder;
  readonly owner: PeerServer;
  readonly #front: Server;

  private constructor(owner: PeerServer, forwarder: Forwarder, maxBodyBytes: number) {
    this.owner = owner;
    this.forwarder = forwarder;
    this.#front = createServer((incoming, response) => {
      response.on('error', () => undefined);
      response.setHeader('X-Front', 'of the front alone');
      void forwarder.forward(OWNER, { incoming, response, maxBodyBytes }).then((outcome) => {
        this.outcomes.push(outcome);
        if (outcome !== 'answered') response.writeHead(503, outcome).end();
      });
    });
  }

  static async open(options: WayOptions = {}): Promise<Way> {
    const { clock = new ManualClock(), answer = () => undefined, ownerKey = key, maxBodyBytes = 1_000_000 } = options;
    const { logger = silentLogger } = options;
    const owner = await PeerServer.listen({ node: OWNER, key: ownerKey, answer, clock, logger }, { host: '127.0.0.1', port: 0 });
    const address = 'address' in options ? options.address : `127.0.0.1:${owner.port}`;
    const directory = { addressOf: async () => address };
    const way = new Way(owner, new Forwarder({ directory, key, clock, logger, ...options.forwarder }), maxBodyBytes);
    way.#front.listen(0, '127.0.0.1');
    await once(way.#front, 'listening');
    return way;
  }

  get port(): number {
    return portOf(this.#front);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forwarder[Symbol.dispose]();
    await this.owner[Symbol.asyncDispose]();
    this.#front.close();
    this.#front.closeAllConnections();
  }
}

function portOf(server: TcpServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on no port');
  return address.port;
}

/** Exactly these bytes, and all that comes back until the end. */
export async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1').write(bytes, 'latin1');
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

/** Accepts and does with each connection what it is told; for peers that are none. */
export async function tcpServer(onConnection: (socket: Socket) => void): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** One that has the secret, and nothing else of a node; for peers that do not behave. */
export async function tlsServer(onConnection: (socket: Socket) => void): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createTlsServer(acceptingAs(OWNER, key), (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  const front = await tcpServer((socket) => void server.emit('connection', socket));
  return front;
}

/** Turns the clock second by second until it is so. */
export async function passing(clock: ManualClock, isOver: () => boolean): Promise<number> {
  const since = clock.now();
  await eventually('the time is over', async () => {
    if (!isOver()) clock.advance(1_000);
    return isOver();
  });
  return clock.now() - since;
}
