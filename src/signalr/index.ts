/**
 * A SignalR server for Node: an `Endpoint` speaks negotiate and the transports at one URL path, a `Hub` runs on it.
 */
export type { Clock, Timer } from '../clock.ts';
export type { Logger } from '../logger.ts';
export { HubError, InvalidOperationError, NoConnectionError } from './hub/hub-error.ts';
export type { CloseOptions, HubConnection } from './hub/hub-connection.ts';
export type {
  AnyMethods,
  CallerClients,
  ClientProxy,
  Groups,
  HubClients,
  InvokeOptions,
  Methods,
  SingleClientProxy,
} from './hub/hub-clients.ts';
export type { HubContext } from './hub/hub-context.ts';
export type { DeclaredMethod, HubFunction, HubMethod, MethodLookup } from './hub/hub-method.ts';
export type { HubOptions } from './hub/hub-options.ts';
export type { Contract, ContractOptions } from './contract.ts';
export { createHub } from './create-hub.ts';
export { Hub } from './hub.ts';
export { method, type MethodOptions, type TypedMethod } from './hub/method.ts';
export { optional, type OptionalParameter, type Parameter, upload, type UploadParameter } from './hub/parameter.ts';
export { flag, int, listOf, number, text } from './hub/ready-parameters.ts';
export { attach, attachUpgrades, type HttpServer, type Mountable } from './mount/attach.ts';
export { expressHandler } from './mount/express.ts';
export { fastifyPlugin } from './mount/fastify.ts';
export { PreparedInvocation } from './hub/prepared-invocation.ts';
export type { HubProtocol, TransferFormat } from './protocol/hub-protocol.ts';
export { jsonProtocol } from './protocol/json.ts';
export { encodeJsonValue } from './protocol/json-value.ts';
export { messagePackProtocol } from './protocol/messagepack.ts';
export type { TransportName } from './protocol/negotiate.ts';
export { RawJson } from './protocol/raw-json.ts';
export type { TypedConnection } from './typed-connection.ts';
export type { Application, Connection, ConnectionHandler, ConnectRequest, Resumer } from './transport/connection.ts';
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
  type ForwardedUpgrade,
  type ForwardOutcome,
  type NegotiateAdditions,
  type Refusal,
  type RequestKind,
} from './transport/endpoint-options.ts';
