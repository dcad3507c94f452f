/** An instance played by a few lines, for what a real one does only once in a minute or with its database away. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';

export type Answers = (request: IncomingMessage, response: ServerResponse) => void;

export class Upstream implements AsyncDisposable {
  /** Connections that the other side gave up, in order. */
  readonly givenUp: Socket[] = [];
  /** Paths, without queries, in the order of their arrival. */
  readonly paths: string[] = [];
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true });

  private constructor(answers: Answers, keepAliveTimeoutMs: number) {
    this.#server = createServer({ keepAliveTimeout: keepAliveTimeoutMs, keepAliveTimeoutBuffer: 0 }, (request, response) => {
      this.paths.push(request.url?.split('?', 1)[0] ?? '');
      answers(request, response);
    });
    this.#server.on('connection', (socket: Socket) => {
      let isOurs = false;
      socket.once('timeout', () => (isOurs = true)).once('close', () => isOurs || this.givenUp.push(socket));
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('message', (data) => webSocket.send(data));
      });
    });
  }

  static async start(answers: Answers, keepAliveTimeoutMs = 75_000): Promise<Upstream> {
    const upstream = new Upstream(answers, keepAliveTimeoutMs);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get port(): number {
    const address = this.#server.address();
    assert.ok(address !== null && typeof address !== 'string');
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const webSocket of this.#webSockets.clients) webSocket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
