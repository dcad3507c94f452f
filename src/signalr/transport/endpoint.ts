/**
 * The connection layer at one URL path: negotiate, connect, poll, send, terminate. Knows nothing of hubs.
 *
 * @see TransportProtocols.md
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { type Exchange, tokenOf } from './admit.ts';
import { answerEmpty, answerRefusal } from './answer.ts';
import { closeGradually } from './close-gradually.ts';
import { ConnectionTable } from './connection-table.ts';
import { applyCors } from './cors.ts';
import { type EndpointOptions, type EndpointSettings, resolveEndpointOptions } from './endpoint-options.ts';
import type { Surroundings } from './http-connection.ts';
import { isWebSocketUpgrade, routeOf, urlOf } from './request.ts';
import { refuseMethod, serveBase } from './serve-requests.ts';
import { serveRefresh } from './serve-refresh.ts';
import { serveNegotiate } from './serve-negotiate.ts';
import { ignoreSocketError, responseOn, serveUpgrade, UpgradeExchange } from './serve-upgrade.ts';

/** The part of a drain over which the good-byes are spread; in the rest of it clients may answer them. */
const SPREAD_SHARE = 0.6;

/** How a request has come. */
interface Arrival {
  readonly path: string;
  readonly isForwarded: boolean;
}

interface UpgradeArrival {
  /** Bytes that came behind the request. */
  readonly head: Buffer;
  readonly isForwarded: boolean;
}

export class Endpoint<P> implements AsyncDisposable {
  readonly #surroundings: Surroundings<P>;
  readonly #webSocketServer: WebSocketServer;

  /** @throws TypeError when an option is unknown or not what it must be, or the cluster has no proper name or key */
  constructor(options: EndpointOptions<P>) {
    const settings = resolveEndpointOptions(options);
    this.#surroundings = { settings, table: new ConnectionTable(settings.clock), isDraining: false };
    this.#webSocketServer = createWebSocketServer(settings);
  }

  get connectionCount(): number {
    return this.#surroundings.table.size;
  }

  /** Answers `{base}`, `{base}/negotiate` and `{base}/refresh`. @param path what follows the base: '', '/' or one of these */
  handle(request: IncomingMessage, response: ServerResponse, path: string): void {
    this.#handle(request, response, { path, isForwarded: false });
  }

  /** Answers a request that another node has passed on: like any, but it is never passed on again. */
  handleForwarded(request: IncomingMessage, response: ServerResponse, path = ''): void {
    this.#handle(request, response, { path, isForwarded: true });
  }

  #handle(request: IncomingMessage, response: ServerResponse, { path, isForwarded }: Arrival): void {
    response.on('error', ignoreSocketError);
    if (applyCors(request, response, this.#surroundings.settings.isOriginAllowed)) return;
    const url = urlOf(request);
    if (url === undefined) {
      answerEmpty(response, 400);
      return;
    }
    const exchange = { incoming: request, response, url, token: tokenOf(url), isForwarded, isGone: response.destroyed };
    // Of HTTP/2, a response has no `destroyed`.
    response.once('close', () => (exchange.isGone = true));
    this.#watch(this.#route(exchange, path), exchange);
  }

  /** Answers an upgrade at `{base}`; one that is not to a WebSocket is treated as the plain request it also is. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgrade(request, socket, { head, isForwarded: false });
  }

  /** Answers an upgrade that another node has passed on: like any, but it is never passed on again. */
  upgradeForwarded(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgrade(request, socket, { head, isForwarded: true });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, { head, isForwarded }: UpgradeArrival): void {
    socket.on('error', ignoreSocketError);
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    const url = urlOf(request);
    if (request.method !== 'GET' || url === undefined) {
      answerEmpty(responseOn(request, socket), 400);
    } else if (!isWebSocketUpgrade(request)) {
      this.handle(request, responseOn(request, socket), '');
    } else {
      const { isOriginAllowed } = this.#surroundings.settings;
      const exchange = new UpgradeExchange({
        incoming: request,
        url,
        socket,
        head,
        server: this.#webSocketServer,
        isOriginAllowed,
        isForwarded,
      });
      this.#watch(serveUpgrade(this.#surroundings, exchange), exchange);
    }
  }

  /**
   * No negotiate and no new connection from now on: 503 with Retry-After. Open connections get a close that allows a
   * reconnect, spread evenly over the first part of `withinMs`. Resolves when all are gone, at the end of that time at the
   * latest: whoever has not answered by then, or within `closeTimeoutMs` of the last close, is cut off.
   */
  async drain(withinMs: number): Promise<void> {
    const { table, settings } = this.#surroundings;
    this.#surroundings.isDraining = true;
    const spreadMs = withinMs * SPREAD_SHARE;
    const graceMs = Math.min(settings.closeTimeoutMs, withinMs - spreadMs);
    await closeGradually({ table, clock: settings.clock, withinMs: spreadMs, graceMs });
  }

  /** The same without patience: the good-byes are handed to the sockets, then all is cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { table } = this.#surroundings;
    this.#surroundings.isDraining = true;
    for (const connection of table.all()) connection.shutdown();
    await setImmediate();
    for (const connection of table.all()) connection.abort(undefined);
    table[Symbol.dispose]();
  }

  async #route(exchange: Exchange, path: string): Promise<void> {
    const { incoming, response } = exchange;
    const route = routeOf(path);
    if (route === undefined) answerRefusal(response, { status: 404 });
    else if (route === 'negotiate' && incoming.method === 'POST') await serveNegotiate(this.#surroundings, exchange);
    else if (route === 'refresh' && incoming.method === 'POST') await serveRefresh(this.#surroundings, exchange);
    else if (route === 'base') await serveBase(this.#surroundings, exchange);
    else await refuseMethod(this.#surroundings, exchange, route);
  }

  /** The boundary of every request: whatever fails inside is answered 500 and not told. */
  #watch(work: Promise<void>, exchange: Exchange): void {
    work.catch((err: unknown) => {
      this.#surroundings.settings.logger.error({ event: 'signalr.request.failed', err }, 'a request to the endpoint failed');
      if (exchange.isGone) return;
      if (exchange.response.headersSent) exchange.response.destroy();
      else answerRefusal(exchange.response, { status: 500 });
    });
  }
}

/** Only for its settings: upgrades are accepted by hand. */
function createWebSocketServer<P>(settings: EndpointSettings<P>): WebSocketServer {
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: settings.maxWebSocketMessageBytes,
    closeTimeout: settings.closeTimeoutMs,
  };
  return new WebSocketServer(options);
}
