/** The composition root: puts mailbox, hub and HTTP API together. */
import type { Server } from 'node:http';
import { systemClock, type Clock } from '../clock.ts';
import { silentLogger, type Logger } from '../logger.ts';
import { Endpoint } from '../signalr/index.ts';
import { WebhookReceiver } from '../webhooks/receiver.ts';
import type { WebhookSource } from '../webhooks/source.ts';
import { Access } from './access.ts';
import { Addresses } from './addresses.ts';
import { ApiKeys } from './api-keys.ts';
import { Api } from './api.ts';
import { ClientAddresses } from './client-address.ts';
import { ConfigurationError, type Configuration } from './configuration.ts';
import { openCore, type Core } from './core.ts';
import type { Demo } from './demo/demo.ts';
import { LocalRequests } from './demo/local-requests.ts';
import { createHttpServer } from './http-server.ts';
import { createApp } from './http/app.ts';
import { HubAuthentication, type Authenticate } from './hub/authentication.ts';
import { createPageHub } from './hub/hub.ts';
import type { Page } from './hub/page.ts';
import { Metrics } from './metrics.ts';
import { drainBegun } from './milestones.ts';
import { Origins } from './origins.ts';
import { Peers } from './peers/peers.ts';
import { Throttle } from './throttle.ts';

/** A connection may hold a few messages of the largest size, and never less than this, before it counts as a slow reader. */
const LEAST_OUTPUT_BYTES = 1_048_576;
const MESSAGES_IN_OUTPUT = 4;

export interface Context {
  readonly apiKeys: readonly string[];
  readonly authenticate?: Authenticate | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** In front of all paths, when mounted below another one. Default: none. */
  readonly prefix?: string | undefined;
  /** Sources of webhooks besides the configured ones, under names of their own. */
  readonly extraWebhooks?: readonly WebhookSource[] | undefined;
  /** Its routes are added to the API. Default: none. */
  readonly demo?: Demo | undefined;
}

/** The parts that others build on: the process (`serve.ts`) and the embedding app (`embed.ts`). */
export interface Assembly {
  readonly api: Api;
  readonly metrics: Metrics;
  readonly addresses: Addresses;
  readonly origins: Origins;
  readonly webhooks: Pick<WebhookReceiver, 'has'>;
  /** Answers every HTTP request and upgrade that is ours. */
  readonly server: Server;
  /** From now on nothing new; whoever waits is answered; pages are sent away in a way that lets them come back. */
  drain(withinMs: number): Promise<void>;
  /** Waits for the requests under way, makes everything accepted durable, and lets go of the store. */
  close(): Promise<void>;
}

export async function assemble(configuration: Configuration, context: Context): Promise<Assembly> {
  const { limits, publicUrl, allowedOrigins } = configuration;
  const { logger = silentLogger, clock = systemClock, prefix = '' } = context;
  const sources = webhookSources(configuration.webhooks, context.extraWebhooks);
  const metrics: Metrics = new Metrics(() => endpoint.connectionCount);
  const core = await openCore(configuration, {
    clock,
    logger,
    onUnclaimed: (source, count) => metrics.webhooks.inc({ source, outcome: 'unclaimed' }, count),
  });
  const origins = new Origins(allowedOrigins ?? (publicUrl === undefined ? undefined : [new URL(publicUrl).origin]));
  const addresses = new Addresses(publicUrl, prefix);
  const draining = new AbortController();
  const access = createAccess(configuration, { core, origins, apiKeys: context.apiKeys });
  const peers = createPeers(configuration, { core, clock, logger });
  const endpoint = createEndpoint(configuration, {
    core,
    peers,
    origins,
    access,
    metrics,
    logger,
    clock,
    authenticate: context.authenticate,
  });
  const api = new Api({ ...core, addresses, limits, metrics, draining: draining.signal });
  const webhooks = new WebhookReceiver({ sources, mailbox: core.mailbox, limits, clock });
  const app = await createApp({
    api,
    webhooks,
    access,
    origins,
    limits,
    metrics,
    logger,
    prefix,
    addMore: (scope) => context.demo?.addRoutes(scope, { api, transactions: core.transactions, addresses }),
    checkReady: () => core.store.check(),
    draining: draining.signal,
    createServer: (listener) => createHttpServer({ listener, endpoint, hubPath: `${prefix}/hub`, draining: draining.signal }),
  });
  const assembly = withStops(
    { api, metrics, addresses, origins, webhooks, server: app.server },
    { app, endpoint, peers, core, draining },
  );
  try {
    await peers?.listen((request, response) => endpoint.handleForwarded(request, response));
  } catch (error) {
    await assembly.close();
    throw error;
  }
  return assembly;
}

interface Stoppable {
  readonly app: { close(): Promise<unknown> };
  readonly endpoint: Endpoint<Page>;
  readonly peers: Peers | undefined;
  readonly core: Pick<Core, 'close'>;
  readonly draining: AbortController;
}

/** The parts, and how they are stopped: in an order in which each still has what it needs for its last work. */
function withStops(parts: Omit<Assembly, 'drain' | 'close'>, { app, endpoint, peers, core, draining }: Stoppable): Assembly {
  return {
    ...parts,
    async drain(withinMs) {
      draining.abort();
      if (drainBegun.hasSubscribers) drainBegun.publish({ withinMs });
      await endpoint.drain(withinMs);
      peers?.release();
    },
    async close() {
      draining.abort();
      await app.close();
      await endpoint[Symbol.asyncDispose]();
      await peers?.[Symbol.asyncDispose]();
      await core.close();
    },
  };
}

/** @throws ConfigurationError for a name that is taken; before anything is opened */
function webhookSources(configured: readonly WebhookSource[], extra: readonly WebhookSource[] = []): readonly WebhookSource[] {
  const taken = extra.filter(({ name }) => configured.some((source) => source.name === name));
  if (taken.length === 0) return [...configured, ...extra];
  throw new ConfigurationError(
    taken.map(({ name }) => `webhooks.${name}: this name is taken by a built-in source; expected another`),
  );
}

interface AccessParts {
  readonly core: Core;
  readonly origins: Origins;
  readonly apiKeys: readonly string[];
}

function createAccess(configuration: Configuration, { core, origins, apiKeys }: AccessParts): Access {
  const { limits, trustedProxies } = configuration;
  const local = new LocalRequests(configuration);
  return new Access({
    store: core.store,
    origins,
    apiKeys: new ApiKeys(apiKeys),
    addresses: new ClientAddresses(trustedProxies),
    failedCredentials: new Throttle(limits.failedCredentialsPerMinute),
    anonymousOpens: new Throttle(limits.anonymousOpensPerMinute),
    isLocal: (request) => local.includes(request),
  });
}

function createPeers(
  { peerHost, peerPort }: Configuration,
  { core, clock, logger }: Pick<EndpointParts, 'core' | 'clock' | 'logger'>,
): Peers | undefined {
  const { nodes } = core;
  if (nodes === undefined) return undefined;
  return new Peers({
    registry: nodes,
    key: nodes.key,
    localHost: nodes.localHost,
    host: peerHost,
    port: peerPort,
    clock,
    logger,
  });
}

interface EndpointParts {
  readonly core: Core;
  readonly peers: Peers | undefined;
  readonly origins: Origins;
  readonly access: Access;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly authenticate: Authenticate | undefined;
}

function createEndpoint({ limits, allowTokenInQuery, lean }: Configuration, parts: EndpointParts): Endpoint<Page> {
  const { core, peers, origins, logger, clock } = parts;
  const authentication = new HubAuthentication({ ...parts, store: core.store, tickets: core.tickets, allowTokenInQuery });
  return new Endpoint<Page>({
    handler: createPageHub({ ...parts, ...core, limits }),
    authenticate: (request) => authentication.authenticate(request),
    isSameUser: (a, b) => a.transactionId === b.transactionId && a.tokenId === b.tokenId,
    onNegotiate: (request, page) => authentication.onNegotiate(request, page),
    isOriginAllowed: (origin) => origins.isAllowed(origin),
    ...(peers && { cluster: { ...peers.cluster, userOf } }),
    outputLimitBytes: Math.max(LEAST_OUTPUT_BYTES, MESSAGES_IN_OUTPUT * limits.messageBytes),
    lean,
    clock,
    logger,
  });
}

/** As `isSameUser` has it. */
function userOf({ transactionId, tokenId = '' }: Page): string {
  return `${transactionId} ${tokenId}`;
}
