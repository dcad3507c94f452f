/** One HTTP server for the hub and the API: the hub answers on the bare request and response, all else is Fastify's. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../signalr/index.ts';
import { pathBelow } from '../signalr/mount/path-below.ts';
import type { Page } from './hub/page.ts';

/** How long the head, and the whole, of a request may take to arrive. Waiting for an answer is not counted. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECK_EVERY_MS = 5_000;
/** Longer than the idle time-outs of the usual proxies, so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

export interface HttpServerOptions {
  /** Answers what is not the hub's. */
  readonly listener: RequestListener;
  readonly endpoint: Endpoint<Page>;
  readonly hubPath: string;
  /**
   * Aborted when the server is about to stop. Each answer is then the last one on its connection, so that no request is on its way
   * on one that is cut. Default: never.
   */
  readonly draining?: AbortSignal;
}

export function createHttpServer({ listener, endpoint, hubPath, draining }: HttpServerOptions): Server {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_EVERY_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Any other offer, such as the `h2c` of Java's HTTP client, may be ignored: it is the plain request that it also is.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (draining?.aborted === true) response.shouldKeepAlive = false;
    const rest = belowHub(request.url, hubPath);
    if (rest === undefined) listener(request, response);
    else endpoint.handle(request, response, rest);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const rest = belowHub(request.url, hubPath);
    if (rest === '' || rest === '/') endpoint.upgrade(request, socket, head);
    else socket.end(NOT_FOUND);
  });
  return server;
}

/** What follows the path of the hub, which is matched as SignalR does. Undefined: not the hub's. */
export function belowHub(url: string | undefined, hubPath: string): '' | '/' | '/negotiate' | undefined {
  const rest = pathBelow(hubPath, url);
  return rest === '/refresh' ? undefined : rest;
}
