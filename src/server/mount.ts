/** Puts our answers in front of a server that somebody else owns: what is ours is answered, all else goes where it went. */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Socket } from 'node:net';
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
    this.#paths = PATHS.map((path) => (prefix + path).toLowerCase());
  }

  on(server: Server | TlsServer): void {
    this.#takeEvents(server);
    const learn = (): void => this.#learnAddress(server);
    if (server.listening) learn();
    server.on('listening', learn);
    this.#undo.push(() => server.off('listening', learn));
  }

  /** Nothing is taken any more. */
  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  /**
   * In front of all listeners, whenever they were or will be added: one that answers or cuts what it does not know, as many
   * do with upgrades, must not see what is ours.
   */
  #takeEvents(server: Server | TlsServer): void {
    const emit: (event: string, ...args: unknown[]) => boolean = server.emit;
    let isMounted = true;
    server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      const isTaken = isMounted && (event === 'request' || event === 'upgrade') && this.#isOurs(args[0]);
      return isTaken ? this.#assembly.server.emit(event, ...args) : Reflect.apply(emit, server, [event, ...args]);
    };
    const unlisten = listenForUpgrades(server, (request) => isMounted && this.#isOurs(request));
    this.#undo.push(() => {
      isMounted = false;
      unlisten();
    });
  }

  #learnAddress(server: Server | TlsServer): void {
    const address = server.address();
    if (address === null || typeof address === 'string') return;
    const scheme = 'setSecureContext' in server ? 'https' : 'http';
    this.#assembly.origins.useListenAddress(address.port, scheme);
    this.#assembly.addresses.useListenAddress(`${scheme}://127.0.0.1:${address.port}`);
  }

  #isOurs(request: unknown): boolean {
    const url = typeof request === 'object' && request !== null && 'url' in request ? request.url : undefined;
    const path = typeof url === 'string' ? (url.split('?', 1)[0]?.toLowerCase() ?? '') : '';
    return this.#paths.some((ours) => path === ours || path.startsWith(`${ours}/`));
  }
}

/**
 * Node tells of upgrades only where somebody listens for them; without a listener they are requests like any other, and so
 * they stay for an app that has none. Returns how to stop.
 */
function listenForUpgrades(server: Server | TlsServer, isOurs: (request: unknown) => boolean): () => void {
  const decide: unknown = Reflect.get(server, 'shouldUpgradeCallback');
  if (typeof decide === 'function') {
    const askApp = (request: unknown): unknown => {
      // Node's own callback counts listeners, and ours is none of the app's.
      const isListening = server.listeners('upgrade').includes(ignoreUpgrade);
      server.off('upgrade', ignoreUpgrade);
      const answer: unknown = Reflect.apply(decide, server, [request]);
      if (isListening) server.on('upgrade', ignoreUpgrade);
      return answer;
    };
    Reflect.set(server, 'shouldUpgradeCallback', (request: unknown) => isOurs(request) || askApp(request));
    server.on('upgrade', ignoreUpgrade);
    return () => server.off('upgrade', ignoreUpgrade);
  }
  server.on('upgrade', answerAsRequest);
  return () => server.off('upgrade', answerAsRequest);
}

/** Node cuts an upgrade that nobody listens for, though the callback wants it. What is ours never gets as far as this. */
function ignoreUpgrade(): void {}

/** For releases of Node without that callback: what nobody else listens for is the plain request that it also is. */
function answerAsRequest(this: Server, request: IncomingMessage, socket: Duplex): void {
  if (this.listenerCount('upgrade') > 1 || !(socket instanceof Socket)) return;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  this.emit('request', request, response);
}
