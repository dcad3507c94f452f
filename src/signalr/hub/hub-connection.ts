/**
 * What an app sees of one client of its hub.
 */
import type { ConnectRequest } from '../transport/connection.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { PreparedInvocation } from './prepared-invocation.ts';

export interface CloseOptions {
  /** Shown to the client. Absent: no error; the client's `onclose` gets none. */
  readonly error?: string;
  /** The client may come back by itself, if it was built with automatic reconnect. */
  readonly allowReconnect?: boolean;
}

export interface HubConnection<P, Items = unknown> {
  readonly id: string;
  readonly transport: TransportName;
  readonly principal: P;
  /** Of the hub's `userOf`; undefined before the handshake's answer, too. */
  readonly userId: string | undefined;
  /** Of the connect request (long polling: the first poll). Made anew by each look, so keep what you need. */
  readonly request: ConnectRequest;
  /** The app's own, for the life of the connection. */
  items: Items | undefined;
  /**
   * Calls a method of the client, without an answer. Dropped silently before the handshake's answer and after the close.
   * @throws TypeError or RangeError when an argument cannot be encoded
   */
  send(target: string, ...args: unknown[]): void;
  /** The same for an invocation that goes to several connections: encoded once per protocol. */
  sendPrepared(invocation: PreparedInvocation): void;
  /**
   * False while the client reads too slowly, or acknowledges too slowly where it has stateful reconnect. What is sent nevertheless
   * counts against a cap, beyond which it is disconnected.
   */
  readonly isWritable: boolean;
  /** Set by the app: called, on this very object, when {@link isWritable} has become true again. */
  onWritable: ((this: HubConnection<P, Items>) => void) | undefined;
  /** Sends Close after what was sent before it, then ends the transport. Without options it is what .NET calls abort. */
  close(options?: CloseOptions): void;
  readonly isClosed: boolean;
  /** Aborted when the connection is closed, by whomever. */
  readonly signal: AbortSignal;
}
