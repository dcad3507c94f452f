/** Puts our answers in front of a server that somebody else owns: what is ours is answered, all else goes where it went. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Assembly } from './ringback.ts';

/** Everything below these, and the hub's own path, is ours. */
const PATHS = ['/hub', '/v1', '/callbacks', '/webhooks', '/health/live', '/health/ready', '/openapi.json'] as const;

export class Mount implements Disposable {
  readonly #assembly: Assembly;
  readonly #paths: readonly string[];
  readonly #undo: (() => void)[] = [];

  constructor(assembly: Assembly, prefix: string) {
    this.#assembly = assembly;
    this.#paths = PATHS.map((path) => prefix + path);
  }

  on(server: Server | TlsServer): void {
    this.#takeRequests(server);
    this.#takeUpgrades(server);
    const learn = (): void => this.#learnAddress(server);
    if (server.listening) learn();
    server.on('listening', learn);
    this.#undo.push(() => server.off('listening', learn));
  }

  /** The server is again as it was. */
  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #takeRequests(server: Server | TlsServer): void {
    const others = server.listeners('request');
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      if (this.#isOurs(request)) this.#assembly.server.emit('request', request, response);
      else for (const other of others) Reflect.apply(other, server, [request, response]);
    };
    server.removeAllListeners('request');
    server.on('request', listener);
    this.#undo.push(() => {
      server.off('request', listener);
      for (const other of others)
        server.on('request', (request, response) => void Reflect.apply(other, server, [request, response]));
    });
  }

  #takeUpgrades(server: Server | TlsServer): void {
    const listener = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      if (this.#isOurs(request)) this.#assembly.server.emit('upgrade', request, socket, head);
      // Nobody else is there who could answer or close it.
      else if (server.listenerCount('upgrade') === 1) socket.destroy();
    };
    server.on('upgrade', listener);
    this.#undo.push(() => server.off('upgrade', listener));
  }

  #learnAddress(server: Server | TlsServer): void {
    const address = server.address();
    if (address === null || typeof address === 'string') return;
    const scheme = 'setSecureContext' in server ? 'https' : 'http';
    this.#assembly.origins.useListenAddress(address.port, scheme);
    this.#assembly.addresses.useListenAddress(`${scheme}://127.0.0.1:${address.port}`);
  }

  #isOurs(request: IncomingMessage): boolean {
    const path = (request.url ?? '').split('?', 1)[0]?.toLowerCase() ?? '';
    return this.#paths.some((ours) => path === ours || path.startsWith(`${ours}/`));
  }
}
