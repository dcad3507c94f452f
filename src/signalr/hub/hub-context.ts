/**
 * What an app sees while it serves one client: who that is, everybody else, and when to stop.
 */
import type { AnyMethods, CallerClients, Groups, Methods } from './hub-clients.ts';
import type { HubConnection } from './hub-connection.ts';

/** One for each call of a method; the hooks of a connection have one of their own each. */
export interface HubContext<P, Items = unknown, Client extends Methods = AnyMethods> {
  readonly connection: HubConnection<P, Items>;
  readonly clients: CallerClients<Client>;
  readonly groups: Groups;
  /**
   * Aborted when the client has canceled this very call, and when its connection has ended while the call runs. For what
   * outlives the call there is `connection.signal`, which is what hooks get here, too.
   */
  readonly signal: AbortSignal;
}

/** Whom the contexts of a hub show. */
export interface HubPeers<Client extends Methods> {
  readonly groups: Groups;
  seenBy(viewer: Viewer): CallerClients<Client>;
}

/** A call or a hook, as the clients that it sees need it. */
export interface Viewer {
  readonly connectionId: string;
  /**
   * Runs a wait for a client's result. The call does not count as running meanwhile, nor afterwards: calls behind it, which may
   * have to come first, start.
   * @throws InvalidOperationError in onConnected
   */
  wait<T>(invoke: () => Promise<T>): Promise<T>;
}
