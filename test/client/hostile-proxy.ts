/** A TCP proxy that does to a page what networks do: blocks paths, refuses WebSockets, swallows, cuts. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { OpenedTransaction } from '../../src/client/index.ts';
import { tie, urlOf } from '../fixtures/sockets.ts';

export class HostileProxy implements AsyncDisposable {
  /** The first lines of all requests so far. */
  readonly requests: string[] = [];
  /** A request of which the first line matches is cut off. */
  blocked: RegExp | undefined;
  /** Sockets that have asked for an upgrade carry nothing from then on. */
  swallowsWebSockets = false;
  /** Nothing passes, in either direction; nobody is told. */
  isFrozen = false;
  target: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    this.target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(target: string): Promise<HostileProxy> {
    const proxy = new HostileProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return urlOf(this.#server);
  }

  /** The same transaction, reached through here. */
  through({ id, accessToken }: OpenedTransaction): OpenedTransaction {
    return { id, accessToken, hubUrl: `${this.url}/hub` };
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** The sockets that there are carry nothing any more, and nobody is told; new ones do. */
  freeze(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('data').resume();
  }

  /** Cuts every connection, without a word to either side. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    const { port, hostname } = new URL(this.target);
    const server = connect(Number(port), hostname);
    tie(client, server, this.#sockets);
    tie(server, client, this.#sockets);
    let isSwallowed = false;
    client.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      const line = /^[A-Z]+ \S+ HTTP\/1\.1(?=\r\n)/.exec(text)?.[0];
      if (line !== undefined) this.requests.push(line);
      if (line !== undefined && this.blocked?.test(line)) return void client.destroy();
      if (!this.isFrozen && !isSwallowed) server.write(chunk);
      isSwallowed ||= this.swallowsWebSockets && /^upgrade: websocket$/im.test(text);
    });
    server.on('data', (chunk) => {
      if (!this.isFrozen) client.write(chunk);
    });
  }
}
