/** Parts for watching a server process drain: pages that come back by themselves, and things that do not let go. */
import { connect, type Socket } from 'node:net';
import { HttpTransportType, HubConnectionBuilder, LogLevel, type HubConnection } from '@microsoft/signalr';
import { WebSocket } from 'ws';
import type { MessageView, WireOpened } from '../../src/server/wire.ts';
import { request } from '../fixtures/http-api.ts';

const RETRY_MS = 50;

/** A stock client with automatic reconnect, which comes back when the test lets it. */
export class StockPage implements AsyncDisposable {
  readonly connection: HubConnection;
  readonly messages: MessageView[] = [];
  /** Its connection was closed in a way that lets it come back. */
  readonly reconnecting: Promise<void>;
  readonly reconnected: Promise<void>;
  readonly #gate = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();

  private constructor(opened: WireOpened, transport: keyof typeof HttpTransportType) {
    let isFirst = true;
    this.connection = new HubConnectionBuilder()
      .withUrl(opened.hubUrl, {
        transport: HttpTransportType[transport],
        accessTokenFactory: async () => {
          if (!isFirst) await this.#gate.promise;
          isFirst = false;
          return opened.accessToken;
        },
      })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => RETRY_MS })
      .configureLogging(LogLevel.None)
      .build();
    this.reconnecting = new Promise((resolve) => this.connection.onreconnecting(() => resolve()));
    this.reconnected = new Promise((resolve) => this.connection.onreconnected(() => resolve()));
    this.connection.on('message', (message: MessageView) => {
      this.messages.push(message);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  static async open(opened: WireOpened, transport: keyof typeof HttpTransportType): Promise<StockPage> {
    const page = new StockPage(opened, transport);
    const caughtUp = new Promise((resolve) => page.connection.on('caughtUp', resolve));
    await page.connection.start();
    await caughtUp;
    return page;
  }

  /** From now on it may come back. */
  letReturn(): void {
    this.#gate.resolve();
  }

  async untilMessage(sequence: number): Promise<void> {
    while (!this.messages.some((message) => message.sequence === sequence)) await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letReturn();
    await this.connection.stop();
  }
}

/** A page whose browser is frozen: it never reads, so it never answers a Close. */
export class FrozenPage implements Disposable {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(opened: WireOpened): Promise<FrozenPage> {
    const answer = await request('POST', `${opened.hubUrl}/negotiate?negotiateVersion=1`, { bearer: opened.accessToken });
    const { connectionToken, accessToken }: { connectionToken: string; accessToken: string } = JSON.parse(answer.text);
    const url = `${opened.hubUrl.replace('http', 'ws')}?id=${connectionToken}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${accessToken}` } });
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('{"protocol":"json","version":1}\u001e');
    await new Promise((resolve) => socket.once('message', resolve));
    socket.pause();
    return new FrozenPage(socket);
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}

/** A request whose body never comes. */
export async function halfRequest(url: string, bearer: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const head = `POST /v1/transactions HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${bearer}\r\n`;
  await new Promise<void>((resolve) => {
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`, () => resolve());
  });
  // The server has seen the head when it asks for the rest.
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}
