/**
 * How a hub is described by the app, and the finite defaults of its limits.
 */
import { systemClock, type Clock } from '../../clock.ts';
import { silentLogger, type Logger } from '../../logger.ts';
import { checkOptions, given, type OptionsTable } from '../../options.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { jsonProtocol } from '../protocol/json.ts';
import { ClientResults } from './client-results.ts';
import type { AnyMethods, Methods } from './hub-clients.ts';
import type { HubConnection } from './hub-connection.ts';
import type { HubContext } from './hub-context.ts';
import type { HubLifetime } from './hub-lifetime.ts';
import { finderOf, type HubMethod, type MethodFinder, type MethodLookup } from './hub-method.ts';
import { LocalLifetime } from './local-lifetime.ts';
import { Peers } from './peers.ts';

export interface HubOptions<P, Items = unknown, Client extends Methods = AnyMethods> {
  /** By name; clients find them without regard to case. */
  readonly methods: Readonly<Record<string, HubMethod<P, Items, Client>>>;
  /** Finds methods that are not known beforehand, at each call of one that is not among these. */
  readonly otherwise?: MethodLookup<P, Items, Client>;
  /**
   * Runs after a good handshake request and before its answer. A `HubError` refuses with its text, anything else with a
   * generic one. The client may be gone (`isClosed`) when this ends; `onDisconnected` is then not called.
   */
  onHandshake?(connection: HubConnection<P, Items>): void | Promise<void>;
  /**
   * Whose connection this is, for `clients.user(id)`. Asked once, after `onHandshake`; if it fails, the handshake does. Ids are
   * compared as they are, case included. Absent or undefined: nobody's.
   */
  userOf?(connection: HubConnection<P, Items>): string | undefined;
  /** No method runs before this has ended. If it fails, the client gets a Close and `onDisconnected` is not called. */
  onConnected?(context: HubContext<P, Items, Client>): void | Promise<void>;
  /** Called once for each connection whose `onConnected` succeeded. `error`: why, if the end was not an orderly one. */
  onDisconnected?(context: HubContext<P, Items, Client>, error?: Error): void | Promise<void>;
  /** In the order of preference. Default: JSON. */
  readonly protocols?: readonly HubProtocol[];
  /** Default 15,000. */
  readonly handshakeTimeoutMs?: number;
  /** Default 15,000; looked at once a second. */
  readonly keepAliveIntervalMs?: number;
  /** Silence after which a client that has pinged before is dropped. Default 30,000. */
  readonly clientTimeoutMs?: number;
  /** Of one message, framing included. Default 32,768. */
  readonly maximumReceiveMessageSize?: number;
  /** Calls of one client that run at the same time. Default 1. */
  readonly maximumParallelInvocations?: number;
  /**
   * Calls of one client that wait for their turn; beyond it, nothing more is read from that client. After `clientTimeoutMs` of
   * that, reading goes on, and calls for which there is no room are refused. Default 64.
   */
  readonly maximumQueuedInvocations?: number;
  /**
   * Of messages to one client that may come back (`EndpointOptions.statefulReconnect`), kept until it acknowledges them: from
   * here on it is not writable, and after 5 s without an acknowledgement it is dropped. At ten times as much, at once. Default 100,000.
   */
  readonly statefulReconnectBufferBytes?: number;
  /** Streaming calls of one client that run at the same time; they take no part in the two limits above. Default 100. */
  readonly maximumStreams?: number;
  /** Items of one upload that wait to be read; beyond it, nothing more is read from that client. Default 10. */
  readonly uploadBufferItems?: number;
  /**
   * The same in bytes, framing included, of all uploads of a client together. One that gets more although nothing should be read
   * fails. Default 1,048,576.
   */
  readonly uploadBufferBytes?: number;
  /** How long a client may take to answer an `invoke`. Default 30,000. */
  readonly clientResultTimeoutMs?: number;
  /**
   * Answers of one client that are awaited at a time; beyond it, an `invoke` of that client fails. Also its own calls that no
   * longer count among those that run, as they wait or have waited for an answer; beyond it, the next ones wait. Default 100.
   */
  readonly maximumPendingResults?: number;
  /** Tells clients the type and text of every error. Default false. */
  readonly enableDetailedErrors?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const defaults = {
  handshakeTimeoutMs: 15_000,
  keepAliveIntervalMs: 15_000,
  clientTimeoutMs: 30_000,
  maximumReceiveMessageSize: 32_768,
  maximumParallelInvocations: 1,
  maximumQueuedInvocations: 64,
  statefulReconnectBufferBytes: 100_000,
  maximumStreams: 100,
  uploadBufferItems: 10,
  uploadBufferBytes: 1_048_576,
  clientResultTimeoutMs: 30_000,
  maximumPendingResults: 100,
  enableDetailedErrors: false,
} as const;

const table: OptionsTable<HubOptions<unknown>> = {
  of: 'a hub',
  required: ['methods'],
  kinds: {
    methods: 'object',
    otherwise: 'function',
    onHandshake: 'function',
    userOf: 'function',
    onConnected: 'function',
    onDisconnected: 'function',
    protocols: 'object',
    handshakeTimeoutMs: 'number',
    keepAliveIntervalMs: 'number',
    clientTimeoutMs: 'number',
    maximumReceiveMessageSize: 'number',
    maximumParallelInvocations: 'number',
    maximumQueuedInvocations: 'number',
    statefulReconnectBufferBytes: 'number',
    maximumStreams: 'number',
    uploadBufferItems: 'number',
    uploadBufferBytes: 'number',
    clientResultTimeoutMs: 'number',
    maximumPendingResults: 'number',
    enableDetailedErrors: 'boolean',
    clock: 'object',
    logger: 'object',
  },
};

/** Options with every default filled in, shared by all sessions of a hub. */
export interface HubSettings<P, Items, Client extends Methods> extends HubOptions<P, Items, Client> {
  readonly protocols: readonly HubProtocol[];
  readonly handshakeTimeoutMs: number;
  readonly keepAliveIntervalMs: number;
  readonly clientTimeoutMs: number;
  readonly maximumReceiveMessageSize: number;
  readonly maximumParallelInvocations: number;
  readonly maximumQueuedInvocations: number;
  readonly statefulReconnectBufferBytes: number;
  readonly maximumStreams: number;
  readonly uploadBufferItems: number;
  readonly uploadBufferBytes: number;
  readonly clientResultTimeoutMs: number;
  readonly maximumPendingResults: number;
  readonly enableDetailedErrors: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly methodOf: MethodFinder<P, Items, Client>;
  readonly clientResults: ClientResults;
  readonly lifetime: HubLifetime;
  readonly peers: Peers<Client>;
}

/** @throws TypeError when an option is unknown or not what it must be, or two methods have the same name but for case */
export function resolveHubOptions<P, Items, Client extends Methods>(
  options: HubOptions<P, Items, Client>,
): HubSettings<P, Items, Client> {
  checkOptions(options, table);
  const settings = {
    protocols: [jsonProtocol],
    clock: systemClock,
    logger: silentLogger,
    ...defaults,
    ...given(options),
    methodOf: finderOf(options.methods, options.otherwise),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value > 0)) {
      throw new TypeError(`${name} must be a positive integer, got ${value}`);
    }
  }
  if (settings.protocols.length === 0 || settings.protocols.some((protocol) => typeof protocol !== 'object')) {
    throw new TypeError('the option protocols of a hub must be a list of protocols, such as [jsonProtocol, messagePackProtocol]');
  }
  const clientResults = new ClientResults(settings);
  const lifetime = new LocalLifetime(clientResults);
  return { ...settings, clientResults, lifetime, peers: new Peers<Client>(lifetime) };
}
