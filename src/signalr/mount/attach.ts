/**
 * An endpoint at a path of a server that is the app's: of `node:http`, `node:https`, or `node:http2` with `allowHTTP1`, where polls
 * and events go over HTTP/2 and WebSockets over HTTP/1.1.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { putInFront, type Taken, urlOf } from './in-front.ts';
import { pathBelow } from './path-below.ts';

export type HttpServer = Server | TlsServer | Http2SecureServer | Http2Server;

/** What can be mounted: an `Endpoint`. */
export interface Mountable {
  handle(request: IncomingMessage, response: ServerResponse, path: string): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/**
 * Answers what is below `path`, before any listener of the server sees it: parsers, frameworks and other users of WebSockets get
 * all else, as before. Returns how to detach it, which leaves open connections alone.
 * @throws TypeError when the path does not begin with a slash or ends with one, and when there is an endpoint at it already
 */
export function attach(server: HttpServer, path: string, endpoint: Mountable): () => void {
  return mount(server, { path, events: ['request', 'upgrade'] }, endpoint);
}

/** Only WebSockets: where a framework brings the requests, see `expressHandler` and `fastifyPlugin`. */
export function attachUpgrades(server: HttpServer, path: string, endpoint: Mountable): () => void {
  return mount(server, { path, events: ['upgrade'] }, endpoint);
}

interface Place {
  readonly path: string;
  readonly events: readonly Taken[];
}

function mount(server: HttpServer, { path, events }: Place, endpoint: Mountable): () => void {
  checkMountable(endpoint);
  if (!(server instanceof NetServer)) {
    throw new TypeError(
      'expected a server of node:http, node:https or node:http2: of Express what app.listen() returns, of Fastify app.server',
    );
  }
  if (!/^\/.*[^/]$/.test(path)) throw new TypeError(`expected a path such as /hub, got ${path}`);
  const release = occupy(server, { path, events });
  const detach = putInFront(server, {
    isOurs(url, event) {
      const rest = pathBelow(path, url);
      return events.includes(event) && rest !== undefined && (event === 'request' || rest === '' || rest === '/');
    },
    take(event, args) {
      // Of HTTP/2 they are Node's compatible objects, which are not of the same classes.
      if (event === 'upgrade') Reflect.apply(endpoint.upgrade, endpoint, args);
      else Reflect.apply(endpoint.handle, endpoint, [...args, pathBelow(path, urlOf(args[0]))]);
    },
  });
  return () => {
    detach();
    release();
  };
}

/** What is mounted at a server. */
const occupied = new WeakMap<HttpServer, Set<string>>();

/** Notes that this place is taken. Returns how to give it up. */
function occupy(server: HttpServer, { path, events }: Place): () => void {
  const places = occupied.get(server) ?? new Set();
  const ours = events.map((event) => `${event} ${path.toLowerCase()}`);
  if (ours.some((place) => places.has(place))) throw new TypeError(`there is an endpoint at ${path} of this server already`);
  for (const place of ours) places.add(place);
  occupied.set(server, places);
  return () => {
    for (const place of ours) places.delete(place);
  };
}

/** @throws TypeError for what is no endpoint: a hub, for example */
export function checkMountable(endpoint: unknown): void {
  if (typeof endpoint === 'object' && endpoint !== null && 'handle' in endpoint && 'upgrade' in endpoint) return;
  throw new TypeError('expected an endpoint: new Endpoint({ handler: hub, authenticate })');
}
