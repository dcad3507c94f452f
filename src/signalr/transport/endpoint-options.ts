/**
 * How an endpoint is described by the app, and the finite defaults of its limits.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { systemClock, type Clock } from '../../clock.ts';
import { silentLogger, type Logger } from '../../logger.ts';
import { checkOptions, given, type OptionsTable } from '../../options.ts';
import { ConnectionTokens } from '../protocol/connection-token.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { Connection, ConnectionHandler } from './connection.ts';

/** `connect` is a WebSocket upgrade, the GET of an event stream, or the first poll; `refresh` shows a newer credential. */
export type RequestKind = 'negotiate' | 'connect' | 'poll' | 'send' | 'terminate' | 'refresh';

export interface EndpointRequest<P> {
  readonly kind: RequestKind;
  /** What a `connect` or `poll` goes by. */
  readonly transport?: TransportName;
  /** Over HTTP/2 it is Node's compatible object, without what that one lacks. */
  readonly incoming: IncomingMessage;
  /** Holds the connection token and perhaps a bearer: never log it. */
  readonly url: URL;
  /** Set when the request names, by its token, a connection that exists at this node. */
  readonly connection?: Connection<P>;
  /** The id of that connection, or of one that another node has made: see {@link EndpointOptions.cluster}. */
  readonly connectionId?: string;
}

/** A refusal is answered as it stands: default body empty, the reason phrase is that of the status. */
export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type Authentication<P> = Admittance<P> | Refusal;

export interface Admittance<P> {
  readonly principal: P;
  /**
   * When the credential ends, epoch milliseconds; see {@link EndpointOptions.closeOnAuthenticationExpiration}. Later polls and refreshes put it
   * off. Default: never.
   */
  readonly expiresAt?: number;
  /**
   * The connection that the request names has its transport at another node: this request gets none here. Default false.
   * Only the app can know that, and only where it writes down in common who is connected; see {@link EndpointOptions.cluster}.
   */
  readonly isAttachedElsewhere?: boolean;
}

/** A request that is to be passed on, and the place for the owner's answer. */
export interface ForwardedExchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** Of a POST; no more than this is passed on. */
  readonly maxBodyBytes: number;
}

/** The same of an upgrade. Its socket still speaks HTTP. */
export interface ForwardedUpgrade {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that came behind the request. */
  readonly head: Buffer;
}

/**
 * What became of it. `answered`: with the owner's answer, or its client has left. With all others nothing has been answered.
 * `unreachable`: the owner is dead, unknown or silent. `released`: a poll that waited was let go here, and its client may poll
 * again. `full`: too many are being passed on. `too large`: its body is.
 */
export type ForwardOutcome = 'answered' | 'unreachable' | 'released' | 'full' | 'too large';

/**
 * Lets the connections of an endpoint be used through its like on other nodes, so that a balancer may send each request
 * anywhere. A WebSocket is taken over where it arrives; a connection over HTTP stays with the node that negotiated it, and
 * every other passes its requests on to that one.
 */
export interface EndpointCluster<P> {
  /** The name of this node, in every token that it makes: 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`. */
  readonly node: string;
  /** At least 32 secret bytes, the same at every node: tokens are sealed with them, so that none can be made up. */
  readonly key: Uint8Array;
  /** What of a principal must be the same at negotiate and at a connect elsewhere. Default: everybody is the same. */
  userOf?(principal: P): string;
  /**
   * Passes a request on to {@link Endpoint.handleForwarded} of that node, with the same path, and its answer back. The name comes from a token
   * that some node has made; whether that one is alive is not known. Must not reject.
   */
  forward(node: string, exchange: ForwardedExchange): Promise<ForwardOutcome>;
  /**
   * Passes an upgrade on to {@link Endpoint.upgradeForwarded} of that node, whose answer and all bytes both ways it carries from
   * then on. Asked for connections with stateful reconnect, which stay with the node that negotiated them: what is kept for the client is there.
   * False when nothing was answered, as the node is dead, unknown or silent. Must not reject. Absent: no client is offered stateful reconnect,
   * as one that came back to another node would find nothing.
   */
  forwardUpgrade?(node: string, upgrade: ForwardedUpgrade): Promise<boolean>;
}

export interface NegotiateAdditions {
  /** The client uses it as its bearer from then on. */
  readonly accessToken?: string;
  /** The client negotiates anew there; no connection is made here. */
  readonly url?: string;
}

export interface EndpointLimits {
  /** Answers of negotiate below this version are refused. Default 0. */
  readonly minimumProtocolVersion: number;
  /** Connections, negotiated ones included; beyond it 503. Default 100,000. */
  readonly maxConnections: number;
  /** An empty poll is answered after this time. Default 90,000. */
  readonly pollTimeoutMs: number;
  /** Without a transport, or without a poll, for this long: gone. Default 15,000. */
  readonly disconnectTimeoutMs: number;
  /** Our close frame may stay unanswered for this long. Default 5,000. */
  readonly closeTimeoutMs: number;
  /** A write without progress for this long costs the connection. Default 10,000. */
  readonly transportSendTimeoutMs: number;
  /** Output of one connection from which on it is not writable. Default 65,536. */
  readonly outputHighWaterBytes: number;
  /** Output of one connection beyond which it is dropped as a slow reader. Default 1,048,576. */
  readonly outputLimitBytes: number;
  /** Unread input of one connection from which on POSTs wait for their answer. Default 65,536. */
  readonly inputHighWaterBytes: number;
  /** Of one POST; beyond it 413. Default 1,048,576. */
  readonly maxBodyBytes: number;
  /** Of one WebSocket message; beyond it close 1009. Default 1,048,576. */
  readonly maxWebSocketMessageBytes: number;
  /** POSTs of one connection at the same time; beyond it 429. Default 16. */
  readonly maxConcurrentPosts: number;
}

export interface EndpointOptions<P> extends Partial<EndpointLimits> {
  readonly handler: ConnectionHandler<P>;
  /** Default: all. Clients try them in the order WebSockets, ServerSentEvents, LongPolling, whatever the order here. */
  readonly transports?: readonly TransportName[];
  /**
   * Called for every HTTP request and upgrade that is served here, before anything else about it is told. If it throws: 500, empty. Use
   * {@link allowAnybody} for an endpoint without principals.
   */
  authenticate(request: EndpointRequest<P>): Authentication<P> | Promise<Authentication<P>>;
  /** False: a later request of a connection is answered 403. Default: everybody is the same. */
  isSameUser?(connected: P, requesting: P): boolean;
  /**
   * A connection whose {@link Admittance.expiresAt} has passed gets a close that allows a reconnect, within a second. Default false: what is
   * open outlives its credential.
   */
  readonly closeOnAuthenticationExpiration?: boolean;
  /**
   * `POST {base}/refresh?id=…` with a newer credential replaces the principal of an open connection, if {@link authenticate} admits it, as kind
   * `refresh`, and it is the same user; negotiate tells how long the first one lasts. A WebSocket is found only at the node that carries it.
   * Default false: 404.
   */
  readonly authenticationRefresh?: boolean;
  /** A refusal: no connection is made. */
  onNegotiate?(request: EndpointRequest<P>, principal: P): NegotiateAdditions | Refusal | Promise<NegotiateAdditions | Refusal>;
  /**
   * These origins get CORS headers with credentials and answers to preflights; others get none, and their WebSocket
   * upgrades are answered 403. Absent: no CORS headers, and upgrades from anywhere.
   */
  isOriginAllowed?(origin: string): boolean;
  /** Absent: this endpoint is the only one, and knows all of its connections. */
  readonly cluster?: EndpointCluster<P>;
  /**
   * An idle WebSocket holds no object of `ws`: plain frames are read by hand, and `ws` comes with the first of another kind
   * (fragmented, a ping, larger than 64 KiB, or not whole in one read). Default false.
   */
  readonly lean?: boolean;
  /**
   * A client that asks for it may come back to its connection by a new WebSocket, for `disconnectTimeoutMs`, after the old one
   * has died; its handler must know how ({@link Connection.makeResumable}), as a hub does. Default false.
   */
  readonly statefulReconnect?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const defaultLimits: EndpointLimits = {
  minimumProtocolVersion: 0,
  maxConnections: 100_000,
  pollTimeoutMs: 90_000,
  disconnectTimeoutMs: 15_000,
  closeTimeoutMs: 5_000,
  transportSendTimeoutMs: 10_000,
  outputHighWaterBytes: 65_536,
  outputLimitBytes: 1_048_576,
  inputHighWaterBytes: 65_536,
  maxBodyBytes: 1_048_576,
  maxWebSocketMessageBytes: 1_048_576,
  maxConcurrentPosts: 16,
};

/** In the order in which clients are to try them. */
const allTransports: readonly TransportName[] = ['WebSockets', 'ServerSentEvents', 'LongPolling'];

const table: OptionsTable<EndpointOptions<unknown>> = {
  of: 'an endpoint',
  required: ['handler', 'authenticate'],
  kinds: {
    handler: 'object',
    transports: 'object',
    authenticate: 'function',
    isSameUser: 'function',
    closeOnAuthenticationExpiration: 'boolean',
    authenticationRefresh: 'boolean',
    onNegotiate: 'function',
    isOriginAllowed: 'function',
    cluster: 'object',
    lean: 'boolean',
    statefulReconnect: 'boolean',
    clock: 'object',
    logger: 'object',
    minimumProtocolVersion: 'number',
    maxConnections: 'number',
    pollTimeoutMs: 'number',
    disconnectTimeoutMs: 'number',
    closeTimeoutMs: 'number',
    transportSendTimeoutMs: 'number',
    outputHighWaterBytes: 'number',
    outputLimitBytes: 'number',
    inputHighWaterBytes: 'number',
    maxBodyBytes: 'number',
    maxWebSocketMessageBytes: 'number',
    maxConcurrentPosts: 'number',
  },
};

/** Options with every default filled in, shared by all connections of an endpoint. */
export type EndpointSettings<P> = EndpointOptions<P> &
  EndpointLimits & {
    readonly transports: readonly TransportName[];
    /** Undefined where there is no other node. */
    readonly tokens: ConnectionTokens | undefined;
    readonly lean: boolean;
    readonly closeOnAuthenticationExpiration: boolean;
    readonly authenticationRefresh: boolean;
    readonly statefulReconnect: boolean;
    readonly clock: Clock;
    readonly logger: Logger;
  };

/** @throws TypeError when an option is unknown or not what it must be, or the cluster has no proper name or key */
export function resolveEndpointOptions<P>(options: EndpointOptions<P>): EndpointSettings<P> {
  checkOptions(options, table);
  if (typeof options.handler.open !== 'function') throw new TypeError('the option handler of an endpoint must be a hub');
  const transports = new Set<string>(options.transports ?? allTransports);
  const unknown = [...transports].find((name) => !allTransports.some((known) => known === name));
  if (unknown !== undefined) throw new TypeError(`unknown transport ${unknown}, expected ${allTransports.join(', ')}`);
  const { isOriginAllowed, cluster, logger = silentLogger } = options;
  const settings = {
    clock: systemClock,
    logger,
    lean: false,
    closeOnAuthenticationExpiration: false,
    authenticationRefresh: false,
    statefulReconnect: false,
    ...defaultLimits,
    ...given(options),
    // A method of the options may be inherited, which spreading does not copy.
    authenticate: (request: EndpointRequest<P>) => options.authenticate(request),
    transports: allTransports.filter((name) => transports.has(name)),
    tokens: cluster && new ConnectionTokens(cluster),
    ...(isOriginAllowed && { isOriginAllowed: guarded(isOriginAllowed, logger) }),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new TypeError(`${name} must be a non-negative integer, got ${value}`);
    }
  }
  return settings;
}

/** It is asked where nothing may throw; a check that fails allows nobody. */
function guarded(isOriginAllowed: (origin: string) => boolean, logger: Logger): (origin: string) => boolean {
  return (origin) => {
    try {
      return isOriginAllowed(origin);
    } catch (err) {
      logger.error({ event: 'signalr.origin.failed', err }, 'the check of an origin failed');
      return false;
    }
  };
}

/** For endpoints without principals. */
export function allowAnybody(): { readonly principal: undefined } {
  return { principal: undefined };
}
