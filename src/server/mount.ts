/** Puts our answers in front of a server that somebody else owns: what is ours is answered, all else goes where it went. */
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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
    const listening = { host: address.address, port: address.port, scheme } as const;
    this.#assembly.origins.useListenAddress(listening);
    this.#assembly.addresses.useListenAddress(connectableUrlOf(listening));
  }

  /** Only what can be ours: the app may have webhooks, callbacks and a `/v1` of its own. */
  #isOurs(request: unknown): boolean {
    const url = typeof request === 'object' && request !== null && 'url' in request ? request.url : undefined;
    if (typeof url !== 'string') return false;
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
