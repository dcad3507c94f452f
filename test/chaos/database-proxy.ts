/**
 * Between one instance and its database: cuts and stalls connections, and drops, doubles and delays notifications, which it
 * knows by the PostgreSQL wire protocol. Knows nothing of SQL, and of no other message than that they are whole.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html, "NotificationResponse"
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export const ringFates = ['dropped', 'doubled', 'delayed'] as const;
export type RingFate = (typeof ringFates)[number];

/** One byte for the kind, four for the length, which counts itself. */
const HEAD_BYTES = 5;
const NOTIFICATION = 'A'.charCodeAt(0);
const LONGEST_DELAY_MS = 3_000;

interface Message {
  readonly isNotification: boolean;
  readonly bytes: Buffer;
}

/** Whole messages of what a server says, whatever the pieces it comes in. */
export class Messages {
  #rest: Buffer = Buffer.alloc(0);

  *take(chunk: Buffer): Generator<Message> {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      const length = 1 + rest.readInt32BE(1);
      if (rest.length < length) break;
      yield { isNotification: rest[0] === NOTIFICATION, bytes: rest.subarray(0, length) };
      rest = rest.subarray(length);
    }
    this.#rest = rest;
  }
}

export class DatabaseProxy implements AsyncDisposable {
  /** What becomes of the notifications that come now; undefined: they pass. */
  ringFate: RingFate | undefined;
  /** Connections that come are cut at once. */
  isRefusing = false;
  /** What the database says is swallowed: what becomes of a commit nobody learns. */
  isMute = false;
  /** Notifications of each fate so far, and connections that were cut. */
  readonly counts = { passed: 0, dropped: 0, doubled: 0, delayed: 0, cut: 0 };
  readonly #target: URL;
  readonly #random: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isStalled = false;
  /** What waits for the end of a stall, in order. */
  readonly #held: (() => void)[] = [];

  private constructor(target: string, random: () => number) {
    this.#target = new URL(target);
    this.#random = random;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(target: string, random: () => number): Promise<DatabaseProxy> {
    const proxy = new DatabaseProxy(target, random);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The same database, through here. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the proxy does not listen on a port');
    const url = new URL(this.#target);
    url.port = String(address.port);
    return url.href;
  }

  /** The database cannot be reached just now. */
  get isDisturbed(): boolean {
    return this.isRefusing || this.isMute || this.#isStalled;
  }

  /** Cuts every connection. */
  cut(): void {
    this.counts.cut += this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing passes any more, and nobody is told. */
  stall(): void {
    this.#isStalled = true;
  }

  /** What was held passes, to the database also from those who have given up meanwhile. */
  resume(): void {
    this.#isStalled = false;
    for (const act of this.#held.splice(0)) act();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    if (this.isRefusing) return void client.destroy();
    const server = connect({ port: Number(this.#target.port), host: this.#target.hostname });
    const messages = new Messages();
    client.on('data', (chunk) => this.#pass(() => server.write(chunk)));
    server.on('data', (chunk) => {
      for (const message of messages.take(chunk)) this.#tell(client, message);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket.setNoDelay(true));
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        // What was said before comes first.
        this.#pass(() => other.destroySoon());
      });
    }
  }

  #pass(act: () => void): void {
    if (this.#isStalled) this.#held.push(act);
    else act();
  }

  #tell(client: Socket, { isNotification, bytes }: Message): void {
    if (this.isMute) return;
    const write = (): void => void (client.destroyed || client.write(bytes));
    const fate = isNotification ? this.ringFate : undefined;
    if (isNotification) this.counts[fate ?? 'passed']++;
    if (fate === 'dropped') return;
    if (fate === 'delayed') return void setTimeout(write, this.#random() * LONGEST_DELAY_MS);
    this.#pass(write);
    if (fate === 'doubled') this.#pass(write);
  }
}
