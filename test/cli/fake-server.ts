/**
 * A server as small as can be that the commands can call: it says what it is told to say, and keeps what it was asked.
 *
 * The hub part speaks the JSON protocol over WebSockets by hand, so that a test decides when a connection drops.
 */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocketServer, type WebSocket } from 'ws';

const RECORD_SEPARATOR = '\u001e';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface CannedAnswer {
  readonly status: number;
  readonly body: string;
}

/** One page as the hub sees it. */
export class FakePage {
  readonly after: string | null;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket, after: string | null) {
    this.#socket = socket;
    this.after = after;
  }

  send(target: string, argument: object): void {
    this.#frame({ type: 1, target, arguments: [argument] });
  }

  message(sequence: number, type = 'note', id = `msg_${sequence}`): void {
    this.send('message', { id, sequence, type, data: { n: sequence }, time: '2026-01-01T00:00:00.000Z' });
  }

  complete(invocationId: string, error?: string): void {
    this.#frame({ type: 3, invocationId, ...(error !== undefined && { error }) });
  }

  /** The page gets what was sent before. */
  close(): void {
    this.#socket.close();
  }

  /** As if a cable was cut. */
  drop(): void {
    this.#socket.terminate();
  }

  #frame(frame: object): void {
    this.#socket.send(JSON.stringify(frame) + RECORD_SEPARATOR);
  }
}

export interface HubScript {
  onAttached(page: FakePage): void;
  /** The page waits for {@link FakePage.complete} of this invocation. */
  onAck(page: FakePage, sequence: number, invocationId: string): void;
}

export class FakeServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** What the next calls are answered, the last one for ever. */
  answers: CannedAnswer[] = [{ status: 200, body: '{}' }];
  /** 200 lets a page in. */
  negotiateStatus = 200;
  script: HubScript = { onAttached: () => undefined, onAck: (page, _sequence, id) => page.complete(id) };
  readonly #http = createServer((request, response) => void this.#answer(request, response));
  readonly #sockets = new WebSocketServer({ noServer: true });

  static async start(): Promise<FakeServer> {
    const fake = new FakeServer();
    fake.#http.on('upgrade', (request, socket, head) => {
      fake.#sockets.handleUpgrade(request, socket, head, (webSocket) => fake.#attach(webSocket, request));
    });
    await new Promise<void>((resolve) => fake.#http.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    const address = this.#http.address();
    assert.ok(typeof address === 'object' && address !== null);
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const body = await text(request);
    if (url.startsWith('/hub/negotiate')) return this.#negotiate(response);
    this.requests.push({ method, url, headers, body });
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    response.writeHead(answer?.status ?? 500, { 'content-type': 'application/json' }).end(answer?.body);
  }

  #negotiate(response: ServerResponse): void {
    const transports = [{ transport: 'WebSockets', transferFormats: ['Text', 'Binary'] }];
    const body = { negotiateVersion: 1, connectionId: 'c', connectionToken: 't', availableTransports: transports };
    response.writeHead(this.negotiateStatus, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #attach(socket: WebSocket, request: IncomingMessage): void {
    const page = new FakePage(socket, new URL(request.url ?? '', 'http://any').searchParams.get('after'));
    let isShaken = false;
    socket.on('message', (data: Buffer) => {
      for (const frame of data.toString('utf8').split(RECORD_SEPARATOR).slice(0, -1)) {
        if (isShaken) this.#onFrame(page, frame);
        else {
          isShaken = true;
          socket.send(`{}${RECORD_SEPARATOR}`);
          this.script.onAttached(page);
        }
      }
    });
  }

  #onFrame(page: FakePage, frame: string): void {
    const { type, target, invocationId, arguments: args } = JSON.parse(frame);
    if (type === 1 && target === 'ack') this.script.onAck(page, args[0], invocationId);
  }
}
