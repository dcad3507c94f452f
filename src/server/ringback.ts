/**
 * The composition root: puts store, mailbox, hub and HTTP API together, and names the implementations.
 */
import type { FastifyInstance } from 'fastify';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import { MemoryBackplane } from '../backplane/memory.ts';
import { systemClock, type Clock } from '../clock.ts';
import { silentLogger, type Logger } from '../logger.ts';
import { Endpoint } from '../signalr/index.ts';
import { MemoryStore } from '../store/memory.ts';
import { SqliteStore } from '../store/sqlite/sqlite.ts';
import type { Store, StoreLimits } from '../store/store.ts';
import { ConnectionTable } from '../transactions/connection-table.ts';
import { Mailbox } from '../transactions/mailbox.ts';
import { Receipts } from '../transactions/receipts.ts';
import { Sweeper } from '../transactions/sweeper.ts';
import { Tickets } from '../transactions/tickets.ts';
import { Transactions } from '../transactions/transactions.ts';
import { Access } from './access.ts';
import { Addresses } from './addresses.ts';
import { ApiKeys } from './api-keys.ts';
import { Api } from './api.ts';
import { ClientAddresses } from './client-address.ts';
import type { Configuration } from './configuration.ts';
import { createApp } from './http/app.ts';
import { HubAuthentication, type Authenticate } from './hub/authentication.ts';
import { createPageHub } from './hub/hub.ts';
import type { Page } from './hub/page.ts';
import { Metrics } from './metrics.ts';
import { Origins } from './origins.ts';
import { Throttle } from './throttle.ts';

export interface Context {
  readonly apiKeys: readonly string[];
  readonly authenticate?: Authenticate | undefined;
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** In front of all paths, when mounted below another one. Default: none. */
  readonly prefix?: string | undefined;
}

/** The parts that others build on: the process (`serve.ts`) and the embedding app (`embed.ts`). */
export interface Assembly {
  readonly api: Api;
  readonly metrics: Metrics;
  readonly addresses: Addresses;
  readonly origins: Origins;
  /** Answers every HTTP request and upgrade that is ours; its `server` is where to listen. */
  readonly server: Server;
  readonly app: FastifyInstance;
  readonly endpoint: Endpoint<Page>;
  /** From now on: nothing new; whoever waits is answered; pages are sent away in a way that lets them come back. */
  drain(withinMs: number): Promise<void>;
  /** Makes everything accepted durable and lets go of the store. */
  close(): Promise<void>;
}

export async function assemble(configuration: Configuration, context: Context): Promise<Assembly> {
  const { limits } = configuration;
  const { logger = silentLogger, clock = systemClock, prefix = '' } = context;
  const store = await openStore(configuration, { clock, logger });
  const backplane = new MemoryBackplane();
  const receipts = new Receipts({ store, clock });
  const connections = new ConnectionTable({ store, clock });
  const tickets = new Tickets(store);
  const sweeper = new Sweeper({ store, backplane, clock, logger });
  const transactions = new Transactions({ store, backplane, receipts, connections });
  const mailbox = new Mailbox({ store, backplane, receipts, clock });
  const origins = new Origins(configuration.allowedOrigins ?? originOf(configuration.publicUrl));
  const addresses = new Addresses(configuration.publicUrl, prefix);
  const drain = new AbortController();
  const metrics: Metrics = new Metrics(() => endpoint.connectionCount);
  const api = new Api({ transactions, mailbox, addresses, limits, metrics, draining: drain.signal });
  const access = new Access({
    store,
    origins,
    apiKeys: new ApiKeys(context.apiKeys),
    addresses: new ClientAddresses(configuration.trustedProxies),
    failedCredentials: new Throttle(limits.failedCredentialsPerMinute),
    anonymousOpens: new Throttle(limits.anonymousOpensPerMinute),
  });
  const node = `${hostname()}-${randomBytes(4).toString('hex')}`;
  const hub = createPageHub({ store, backplane, receipts, connections, tickets, limits, metrics, logger, clock, node });
  const { allowTokenInQuery } = configuration;
  const authentication = new HubAuthentication({ store, tickets, access, origins, allowTokenInQuery, authenticate: context.authenticate });
  const endpoint = new Endpoint<Page>({
    handler: hub,
    authenticate: (request) => authentication.authenticate(request),
    isSameUser: (a, b) => a.transactionId === b.transactionId && a.tokenId === b.tokenId,
    onNegotiate: (request, page) => authentication.onNegotiate(request, page),
    isOriginAllowed: (origin) => origins.isAllowed(origin),
    clock,
    logger,
  });
  const app = await createApp({
    api,
    access,
    origins,
    limits,
    metrics,
    logger,
    prefix,
    checkReady: () => store.check(),
    draining: drain.signal,
    createServer: (listener) => createHttpServer(listener, endpoint, `${prefix}/hub`),
  });
  return {
    api,
    metrics,
    addresses,
    origins,
    server: app.server,
    app,
    endpoint,
    async drain(withinMs) {
      drain.abort();
      await endpoint.drain(withinMs);
    },
    async close() {
      drain.abort();
      await app.close();
      await endpoint[Symbol.asyncDispose]();
      await sweeper[Symbol.asyncDispose]();
      await receipts[Symbol.asyncDispose]();
      await connections[Symbol.asyncDispose]();
      await backplane[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function openStore(configuration: Configuration, parts: { clock: Clock; logger: Logger }): Promise<Store> {
  const { store, limits, retentionSeconds } = configuration;
  const storeLimits: StoreLimits = {
    openTransactions: limits.openTransactions,
    messagesPerTransaction: limits.messagesPerTransaction,
    mailboxBytes: limits.mailboxBytes,
    retentionMs: retentionSeconds * 1000,
  };
  switch (store.kind) {
    case 'memory':
      return Promise.resolve(new MemoryStore({ limits: storeLimits, clock: parts.clock }));
    case 'sqlite':
      return SqliteStore.open({ file: store.file, limits: storeLimits, ...parts });
    default:
      return store satisfies never;
  }
}

function originOf(publicUrl: string | undefined): readonly string[] | undefined {
  return publicUrl === undefined ? undefined : [new URL(publicUrl).origin];
}

/** How long the head, and the whole, of a request may take to arrive. Waiting for an answer is not counted. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time-outs of the usual proxies, so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

/** The hub answers on the bare request and response; the rest is Fastify's. */
function createHttpServer(listener: RequestListener, endpoint: Endpoint<Page>, hubPath: string): Server {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 5_000,
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const rest = below(request.url, hubPath);
    if (rest === undefined) listener(request, response);
    else endpoint.handle(request, response, rest);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isHub(below(request.url, hubPath))) endpoint.upgrade(request, socket, head);
    else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  return server;
}

/** What follows the path of the hub, which is matched as SignalR does: without regard to case. */
function below(url: string | undefined, hubPath: string): '' | '/' | '/negotiate' | undefined {
  const path = (url ?? '').split('?', 1)[0]?.toLowerCase() ?? '';
  if (!path.startsWith(hubPath)) return undefined;
  const rest = path.slice(hubPath.length);
  return rest === '' || rest === '/' || rest === '/negotiate' ? rest : undefined;
}

function isHub(rest: string | undefined): boolean {
  return rest === '' || rest === '/';
}
