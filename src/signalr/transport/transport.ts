/**
 * The port between a connection and what carries it. A transport takes the connection's output and tells it what comes in
 * and how things end.
 */
import type { TransportName } from '../protocol/negotiate.ts';

export type Chunk = string | Uint8Array;

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
