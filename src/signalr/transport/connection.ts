/**
 * The port between the connection layer and what runs on it (a hub, a raw echo): one duplex byte pipe with an id.
 */
import type { TransferFormat } from '../protocol/hub-protocol.ts';
import type { TransportName } from '../protocol/negotiate.ts';

/** What is kept of the request that connected. */
export interface ConnectRequest {
  /** Without the members `id` and `access_token` of its query, which are secrets. */
  readonly url: URL;
  /** Lower-case names, repeated headers joined; without `authorization` and what belongs to a single hop. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Connection<P> {
  /** Public; may be shown to other users. */
  readonly id: string;
  /** Undefined between negotiate and connect. */
  readonly transport: TransportName | undefined;
  /** Who connected; before that, who negotiated. */
  readonly principal: P;
  /** Undefined between negotiate and connect. Made anew by each look, so keep what you need. */
  readonly request: ConnectRequest | undefined;
  /** Closing or gone: nothing that is sent from now on arrives. */
  readonly isClosed: boolean;
  /** False while the peer reads too slowly; {@link Application.writable} tells when that is over. */
  readonly isWritable: boolean;
  /** Which kind of frame carries the output, where the transport has kinds. `Text` until set. */
  transferFormat: TransferFormat;
  /**
   * Queues one unit that is never split; several in one turn travel together. Dropped silently after the close. A peer
   * that has let more than the output limit gather is disconnected.
   */
  send(data: string | Uint8Array): void;
  /** No {@link Application.receive} until {@link resume}. */
  pause(): void;
  resume(): void;
  /**
   * From now on the connection outlives a transport that dies without a good-bye, for a while in which its client may come
   * back. False, and without effect, where client and endpoint have not agreed on that.
   */
  makeResumable(resumer: Resumer): boolean;
  /** Ends the transport in its orderly way, after what was sent before. */
  close(): void;
  /** Ends the transport at once; the application's `ended` gets the error. */
  abort(error: Error): void;
}

/** What runs on one connection. No method may throw; one that does costs the connection. */
export interface Application {
  /** Bytes of the peer, in order, cut anywhere. */
  receive(chunk: Buffer): void;
  /** The output fell below the high-water mark again. */
  writable(): void;
  /** About once a second. @param now epoch milliseconds */
  heartbeat(now: number): void;
  /** The server goes away: say good-bye in a way that allows a reconnect, and close. */
  shutdown(): void;
  /** Called once, last: the pipe is gone. `error` if it did not end in an orderly way. */
  ended(error: Error | undefined): void;
}

/** Who wants to know when a connection has lost its transport, and when its client is back. Neither method may throw. */
export interface Resumer {
  /** What was sent may not have arrived, and what is sent from now on is dropped until {@link resumed}, or the end. */
  suspended(): void;
  /**
   * There is a new transport; also without {@link suspended} before, when the old one was still there. What the client sent by
   * that and was not yet received is lost.
   */
  resumed(): void;
}

export interface ConnectionHandler<P> {
  /** A transport has connected. */
  open(connection: Connection<P>, transport: TransportName): Application;
}
