/**
 * A SignalR server for Node: an `Endpoint` speaks negotiate and the transports at one URL path, a `Hub` runs on it.
 */
export { HubError } from './hub/hub-error.ts';
export type { CloseOptions, HubConnection } from './hub/hub-connection.ts';
export type { DeclaredMethod, HubFunction, HubMethod, HubOptions, Parameter } from './hub/hub-options.ts';
export { Hub } from './hub/hub.ts';
export { method, type MethodOptions } from './hub/method.ts';
export { PreparedInvocation } from './hub/prepared-invocation.ts';
export type { HubProtocol, TransferFormat } from './protocol/hub-protocol.ts';
export { jsonProtocol } from './protocol/json.ts';
export type { TransportName } from './protocol/negotiate.ts';
export { RawJson } from './protocol/raw-json.ts';
export type { Application, Connection, ConnectionHandler, ConnectRequest } from './transport/connection.ts';
export { Endpoint } from './transport/endpoint.ts';
export {
  type Admittance,
  allowAnybody,
  type Authentication,
  type EndpointCluster,
  type EndpointLimits,
  type EndpointOptions,
  type EndpointRequest,
  type ForwardedExchange,
  type ForwardOutcome,
  type NegotiateAdditions,
  type Refusal,
  type RequestKind,
} from './transport/endpoint-options.ts';
