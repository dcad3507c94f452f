/**
 * The port between a connection and what carries it. A transport takes the connection's output and tells it what comes in
 * and how things end.
 */
import type { TransportName } from '../protocol/negotiate.ts';

/** What carries a connection. */
export interface Transport {
  readonly name: TransportName;
  /** Taken from the connection, not yet accepted by the operating system. */
  readonly bufferedBytes: number;
  /** There is output, or the connection is closing. */
  flush(): void;
  pauseInput(): void;
  resumeInput(): void;
  heartbeat(now: number): void;
  /** Ends everything at once. */
  destroy(): void;
}

export interface Identity<P> {
  readonly id: string;
  readonly token: string;
  readonly principal: P;
  /** Client and endpoint have agreed on stateful reconnect. Default false. */
  readonly mayResume?: boolean;
}

/** A transport that has come for a connection. */
export interface Arrival<P> {
  readonly transport: Transport;
  readonly principal: P;
  /** When that one's credential ends, epoch milliseconds. Undefined: never. */
  readonly expiresAt: number | undefined;
  /** See `packRequest`. */
  readonly request: string;
}
