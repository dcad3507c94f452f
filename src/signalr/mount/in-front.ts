/**
 * Puts answers in front of a server that somebody else owns: what is ours is taken, all else goes where it went. Knows no hub.
 */
import type { EventEmitter } from 'node:events';
import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export type Taken = 'request' | 'upgrade';

export interface Front {
  /** Whether a request or an upgrade to this address, path and query, is ours. */
  isOurs(url: string, event: Taken): boolean;
  /** The event with its arguments, which the server's listeners do not see. */
  take(event: Taken, args: readonly unknown[]): void;
}

/**
 * In front of all listeners, whenever they were or will be added: one that answers or cuts what it does not know, as many
 * do with upgrades, must not see what is ours. Returns how to stop.
 */
export function putInFront(server: EventEmitter, front: Front): () => void {
  const emit: unknown = Reflect.get(server, 'emit');
  if (typeof emit !== 'function') throw new TypeError('expected a server of node:http, node:https or node:http2');
  let isThere = true;
  const isOurs = (event: Taken, request: unknown): boolean => isThere && front.isOurs(urlOf(request), event);
  Reflect.set(server, 'emit', (event: string | symbol, ...args: unknown[]): unknown => {
    if ((event === 'request' || event === 'upgrade') && isOurs(event, args[0])) {
      front.take(event, args);
      return true;
    }
    return Reflect.apply(emit, server, [event, ...args]);
  });
  const unlisten = listenForUpgrades(server, (request) => {
    if (isOurs('upgrade', request)) return isToWebSocket(request);
    return isOurs('request', request) ? false : undefined;
  });
  return () => {
    if (isThere) unlisten();
    isThere = false;
  };
}

/** Path and query; empty for what is no request. */
export function urlOf(request: unknown): string {
  const url = typeof request === 'object' && request !== null && 'url' in request ? request.url : undefined;
  return typeof url === 'string' ? url : '';
}

/** What asks for another protocol, as some clients do for HTTP/2 with every request, is the plain request that it also is. */
function isToWebSocket(request: unknown): boolean {
  return request instanceof IncomingMessage && request.method === 'GET' && /websocket/i.test(request.headers.upgrade ?? '');
}

/**
 * Node tells of upgrades only where somebody listens for them; without a listener they are requests like any other, and so
 * they stay for an app that has none. Returns how to stop.
 * @param isUpgrade undefined: it is the app's
 */
function listenForUpgrades(server: EventEmitter, isUpgrade: (request: unknown) => boolean | undefined): () => void {
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
    Reflect.set(server, 'shouldUpgradeCallback', (request: unknown) => isUpgrade(request) ?? askApp(request));
    return share(server, ignoreUpgrade);
  }
  return share(server, answerAsRequest);
}

/** How many are in front of a server, and share one listener. */
const sharers = new WeakMap<EventEmitter, number>();

/** Listens with the first that is in front, until the last has gone. */
function share(server: EventEmitter, listener: (this: Server, ...args: [IncomingMessage, Socket]) => void): () => void {
  const change = (by: 1 | -1): number => {
    const count = (sharers.get(server) ?? 0) + by;
    sharers.set(server, count);
    return count;
  };
  if (change(1) === 1) server.on('upgrade', listener);
  return () => {
    if (change(-1) === 0) server.off('upgrade', listener);
  };
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
