/**
 * The port by which a hub finds its connections, wherever they are: here, at other nodes, or at a service.
 */
import type { AskedClient, Question } from './client-results.ts';
import type { PreparedInvocation } from './prepared-invocation.ts';

/** Whom a message is for. Each group counts by itself: who is in two of them gets it twice. */
export type Target =
  | { readonly kind: 'all'; readonly except: ReadonlySet<string> }
  | { readonly kind: 'connections'; readonly ids: readonly string[] }
  | { readonly kind: 'groups'; readonly names: readonly string[]; readonly except: ReadonlySet<string> }
  | { readonly kind: 'users'; readonly ids: readonly string[] };

/** A connection of this node whose handshake is done. */
export interface Member extends AskedClient {
  /** Of the hub's `userOf`, found once, at the handshake. */
  readonly userId: string | undefined;
  sendPrepared(invocation: PreparedInvocation): void;
}

export interface HubLifetime {
  /** Behind the handshake's answer and before onConnected: from now on it gets what is sent to it. */
  connected(member: Member): void;
  /** Before onDisconnected: what is sent to it from now on goes nowhere, and its groups are gone. */
  disconnected(member: Member): void;
  /** Never waits for a slow reader. @throws TypeError or RangeError when an argument cannot be encoded */
  send(target: Target, invocation: PreparedInvocation): Promise<void>;
  /** @throws NoConnectionError "Connection 'ID' does not exist." */
  invoke(connectionId: string, question: Question): Promise<unknown>;
  addToGroup(connectionId: string, group: string): Promise<void>;
  removeFromGroup(connectionId: string, group: string): Promise<void>;
}
