/** Between a store and its database: cuts connections at a byte, or holds back what one side says. Knows nothing of SQL. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** When a connection is cut: after so many bytes of what one side says, from when this is set. */
export interface Cut {
  readonly side: 'client' | 'server';
  readonly after: number;
}

export class PostgresProxy implements AsyncDisposable {
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  #cut: Cut | undefined;
  #seen = { client: 0, server: 0 };
  #refuses = false;
  /** Bytes are taken and not passed on. */
  isHolding: { readonly client?: boolean; readonly server?: boolean } = {};
  cuts = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(target: string): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The same database, through here. */
  get url(): string {
    const url = new URL(this.#target);
    const address = this.#server.address();
    url.port = typeof address === 'object' && address !== null ? `${address.port}` : '';
    return url.href;
  }

  /** Bytes that each side has said since {@link count}. */
  get seen(): { readonly client: number; readonly server: number } {
    return { ...this.#seen };
  }

  count(): void {
    this.#seen = { client: 0, server: 0 };
  }

  /** Cuts once, then lets everything pass. */
  cutOnce(cut: Cut): void {
    this.count();
    this.#cut = cut;
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts every connection, and new ones as soon as they come. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses;
    if (refuses) this.cutAll();
  }

  /** Passes on what was held, also of connections that are gone on the other side. */
  release(): void {
    this.isHolding = {};
    for (const pass of this.#held.splice(0)) pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    if (this.#refuses) return void client.destroy();
    const server = connect({ port: Number(this.#target.port), host: this.#target.hostname, allowHalfOpen: true });
    for (const [socket, other, side] of [
      [client, server, 'client'],
      [server, client, 'server'],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('data', (chunk) => this.#pass(chunk, other, { side, both: [client, server] }));
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        // What is held of it may still be passed on.
        if (this.#held.length === 0) other.destroy();
        else this.#held.push(() => void other.end());
      });
    }
  }

  #pass(chunk: Buffer, to: Socket, { side, both }: { side: Cut['side']; both: readonly Socket[] }): void {
    const cut = this.#cut;
    const before = this.#seen[side];
    this.#seen[side] += chunk.length;
    if (cut?.side === side && this.#seen[side] >= cut.after) {
      this.#cut = undefined;
      this.cuts += 1;
      const passed = chunk.subarray(0, cut.after - before);
      to.write(passed, () => {
        for (const socket of both) socket.destroy();
      });
      return;
    }
    if (this.isHolding[side] === true) this.#held.push(() => void to.write(chunk));
    else to.write(chunk);
  }
}
