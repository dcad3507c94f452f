/** Puts our answers in front of a server that somebody else owns: what is ours is answered, all else goes where it went. */
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { putInFront } from '../signalr/mount/in-front.ts';
import { looksLike } from '../transactions/secrets.ts';
import { belowHub } from './http-server.ts';
import { connectableUrlOf } from './listen-address.ts';
import type { Assembly } from './ringback.ts';

const PATHS: ReadonlySet<string> = new Set([
  '/v1/transactions',
  '/v1/messages:batch',
  '/health/live',
  '/health/ready',
  '/openapi.json',
]);
const TRANSACTIONS = '/v1/transactions/';
const CALLBACKS = '/callbacks/';
const WEBHOOKS = '/webhooks/';

export class Mount implements Disposable {
  readonly #assembly: Assembly;
  readonly #prefix: string;
  readonly #undo: (() => void)[] = [];

  constructor(assembly: Assembly, prefix: string) {
    this.#assembly = assembly;
    this.#prefix = prefix;
  }

  on(server: Server | TlsServer): void {
    const front = {
      isOurs: (url: string) => this.#isOurs(url),
      take: (event: string, args: readonly unknown[]) => void this.#assembly.server.emit(event, ...args),
    };
    this.#undo.push(putInFront(server, front));
    const learn = (): void => this.#learnAddress(server);
    if (server.listening) learn();
    server.on('listening', learn);
    this.#undo.push(() => server.off('listening', learn));
  }

  /** Nothing is taken any more. */
  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #learnAddress(server: Server | TlsServer): void {
    const address = server.address();
    if (address === null || typeof address === 'string') return;
    const scheme = 'setSecureContext' in server ? 'https' : 'http';
    const listening = { host: address.address, port: address.port, scheme } as const;
    this.#assembly.origins.useListenAddress(listening);
    this.#assembly.addresses.useListenAddress(connectableUrlOf(listening));
  }

  /** Only what can be ours: the app may have webhooks, callbacks and a `/v1` of its own. */
  #isOurs(url: string): boolean {
    if (belowHub(url, `${this.#prefix}/hub`) !== undefined) return true;
    const [path = ''] = url.split('?', 1);
    return path.startsWith(this.#prefix) && this.#isOurPath(path.slice(this.#prefix.length));
  }

  #isOurPath(path: string): boolean {
    if (PATHS.has(path) || path.startsWith(TRANSACTIONS)) return true;
    if (path.startsWith(CALLBACKS)) return looksLike('callback', path.slice(CALLBACKS.length));
    return path.startsWith(WEBHOOKS) && this.#assembly.webhooks.has(path.slice(WEBHOOKS.length));
  }
}
