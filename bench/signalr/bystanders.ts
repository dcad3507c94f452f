/** Clients that are no use, beside those that are measured: they come first, and stay as they are. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { maskedFrame, upgradeRequest } from '../generator/web-socket.ts';
import { speeches } from './speech.ts';
import { textWith } from './text.ts';

const AT_ONCE = 50;
const STILL_MS = 200;
const PATH = '/hub';
const { greeting, call } = speeches.json;

/** What one of them does; resolves with its socket, if it keeps one. */
const kinds = {
  /** A WebSocket on which nothing is ever said. */
  silent: (port: number) => webSocket(port),
  /** A negotiation that nobody comes back for. */
  abandoned: async (port: number, agent: Agent) => {
    const asked = request({ port, host: '127.0.0.1', path: `${PATH}/negotiate?negotiateVersion=1`, method: 'POST', agent }).end();
    const [response] = await once(asked, 'response');
    if (response.statusCode !== 200) throw new Error(`negotiation was answered ${response.statusCode}`);
    await once(response.resume(), 'close');
    return undefined;
  },
  /** Calls as long as its calls are read, and reads no answer. */
  greedy: async (port: number) => {
    const socket = await webSocket(port);
    socket.pause().write(maskedFrame(false, greeting.bytes));
    const frame = maskedFrame(false, call('Echo', [textWith(0)]).bytes);
    Readable.from(forever(frame)).pipe(socket);
    await stalled(socket);
    return socket;
  },
} as const satisfies Record<string, (port: number, agent: Agent) => Promise<Socket | undefined>>;

export type BystanderKind = keyof typeof kinds;

export class Bystanders implements Disposable {
  readonly #sockets: readonly Socket[];

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets;
  }

  static async of({ kind, count }: { kind: BystanderKind; count: number }, port: number): Promise<Bystanders> {
    const sockets: Socket[] = [];
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const socket = await kinds[kind](port, agent);
        if (socket !== undefined) sockets.push(socket);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    agent.destroy();
    return new Bystanders(sockets);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Resolves when the server has taken it. */
async function webSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  // The server may cut it off, which is its right.
  socket.on('error', () => undefined).write(upgradeRequest(port, PATH), 'latin1');
  await once(socket, 'data');
  return socket.resume();
}

/** Resolves when the server takes no more from it. */
async function stalled(socket: Socket): Promise<void> {
  for (let taken = -1; taken !== socket.bytesWritten; await pause(STILL_MS)) taken = socket.bytesWritten;
}

function* forever(frame: Buffer): Generator<Buffer> {
  for (;;) yield frame;
}
