/**
 * How a hub is described by the app, and the finite defaults of its limits.
 */
import { systemClock, type Clock } from '../../clock.ts';
import { silentLogger, type Logger } from '../../logger.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { jsonProtocol } from '../protocol/json.ts';
import type { HubConnection } from './hub-connection.ts';

/** A method that takes its arguments as they come: no check of their number or type. What it returns is the result. */
export type HubFunction<P, Items> = (caller: HubConnection<P, Items>, ...args: unknown[]) => unknown;

/** Turns one argument into what the method wants. Throws (anything) when it does not fit. */
export type Parameter<T = unknown> = (value: unknown) => T;

/** A method with checks before the call; see `method()` for one whose argument types follow from its parameters. */
export interface DeclaredMethod<P, Items> {
  /** Another number of arguments, or one that does not fit, is answered with a binding error. Absent: anything goes. */
  readonly parameters?: readonly Parameter[];
  /** False: answered with "… because user is unauthorized". */
  authorize?(caller: HubConnection<P, Items>): boolean | Promise<boolean>;
  readonly run: HubFunction<P, Items>;
}

export type HubMethod<P, Items = unknown> = HubFunction<P, Items> | DeclaredMethod<P, Items>;

export interface HubOptions<P, Items = unknown> {
  /** By name; clients find them without regard to case. */
  readonly methods: Readonly<Record<string, HubMethod<P, Items>>>;
  /**
   * Runs after a good handshake request and before its answer. A `HubError` refuses with its text, anything else with a
   * generic one. The client may be gone (`isClosed`) when this ends; `onDisconnected` is then not called.
   */
  onHandshake?(connection: HubConnection<P, Items>): void | Promise<void>;
  /** No method runs before this has ended. If it fails, the client gets a Close and `onDisconnected` is not called. */
  onConnected?(connection: HubConnection<P, Items>): void | Promise<void>;
  /** Called once for each connection whose `onConnected` succeeded. `error`: why, if the end was not an orderly one. */
  onDisconnected?(connection: HubConnection<P, Items>, error?: Error): void | Promise<void>;
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
  /** Calls of one client that wait for their turn; beyond it, nothing more is read from that client. Default 64. */
  readonly maximumQueuedInvocations?: number;
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
  enableDetailedErrors: false,
} as const;

/** Options with every default filled in, shared by all sessions of a hub. */
export interface HubSettings<P, Items> extends HubOptions<P, Items> {
  readonly protocols: readonly HubProtocol[];
  readonly handshakeTimeoutMs: number;
  readonly keepAliveIntervalMs: number;
  readonly clientTimeoutMs: number;
  readonly maximumReceiveMessageSize: number;
  readonly maximumParallelInvocations: number;
  readonly maximumQueuedInvocations: number;
  readonly enableDetailedErrors: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The methods by lower-case name. */
  readonly methodsByName: ReadonlyMap<string, DeclaredMethod<P, Items>>;
}

/** @throws TypeError when a limit is not a positive integer or two methods have the same name but for case */
export function resolveHubOptions<P, Items>(options: HubOptions<P, Items>): HubSettings<P, Items> {
  const settings = {
    protocols: [jsonProtocol],
    clock: systemClock,
    logger: silentLogger,
    ...defaults,
    ...options,
    methodsByName: indexMethods(options.methods),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(Number.isSafeInteger(value) && value > 0)) {
      throw new TypeError(`${name} must be a positive integer, got ${value}`);
    }
  }
  return settings;
}

function indexMethods<P, Items>(methods: HubOptions<P, Items>['methods']): Map<string, DeclaredMethod<P, Items>> {
  const index = new Map<string, DeclaredMethod<P, Items>>();
  for (const [name, method] of Object.entries(methods)) {
    const key = name.toLowerCase();
    if (index.has(key)) throw new TypeError(`the hub method ${name} exists twice; names differ by more than case`);
    index.set(key, typeof method === 'function' ? { run: method } : method);
  }
  return index;
}
