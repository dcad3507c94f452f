/**
 * How a test hub begins.
 */
import type { Clock } from '../clock.ts';
import type { Contract, ServerMethods } from '../signalr/contract.ts';
import type { Authentication, EndpointOptions, EndpointRequest, HubOptions } from '../signalr/index.ts';

export interface TestHubOptions<C extends Contract> {
  /** The first answers, by the names of their methods; see {@link TestHub.answer}. */
  readonly methods?: Partial<ServerMethods<C, unknown, unknown>>;
  /** Default: anybody, without a principal. */
  authenticate?(request: EndpointRequest<unknown>): Authentication<unknown> | Promise<Authentication<unknown>>;
  /** Limits, hooks, protocols. Default: JSON and MessagePack, otherwise as a hub has them. */
  readonly hub?: Partial<Omit<HubOptions<unknown, unknown, C['client']>, 'methods' | 'otherwise'>>;
  /** Transports, limits, stateful reconnect. Default: any origin, otherwise as an endpoint has them. */
  readonly endpoint?: Partial<Omit<EndpointOptions<unknown>, 'handler' | 'authenticate'>>;
  /** Of everything that takes time here. Default: the system's. */
  readonly clock?: Clock;
}
