/**
 * The hub messages, independent of how a protocol writes them.
 *
 * @see HubProtocol.md, "Message types"
 */
import type { ProtocolError } from './protocol-error.ts';

export const MessageType = {
  invocation: 1,
  streamItem: 2,
  completion: 3,
  streamInvocation: 4,
  cancelInvocation: 5,
  ping: 6,
  close: 7,
  ack: 8,
  sequence: 9,
} as const;

type Headers = Readonly<Record<string, string>>;

export interface Invocation {
  readonly type: typeof MessageType.invocation | typeof MessageType.streamInvocation;
  readonly headers?: Headers;
  /** Chosen by the caller. Absent or empty: nobody waits for an answer. */
  readonly invocationId?: string;
  readonly target: string;
  readonly arguments: readonly unknown[];
  /** Only when read: why the arguments, or the stream ids behind them, are not there. It fails this call, not the connection. */
  readonly fault?: ProtocolError;
  /** Upload streams of the caller, in the order of the method's stream parameters. */
  readonly streamIds?: readonly string[];
}

export interface StreamItem {
  readonly type: typeof MessageType.streamItem;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly item: unknown;
  /** Only when read: why the item is not there. It fails this stream, not the connection. */
  readonly fault?: ProtocolError;
}

/** Has `error`, or `result` (which may be null), or neither: void. A result that could not be read has become an error. */
export interface Completion {
  readonly type: typeof MessageType.completion;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly error?: string;
  readonly result?: unknown;
}

export interface CancelInvocation {
  readonly type: typeof MessageType.cancelInvocation;
  readonly headers?: Headers;
  readonly invocationId: string;
}

export interface Ping {
  readonly type: typeof MessageType.ping;
}

export interface Close {
  readonly type: typeof MessageType.close;
  /** Present, even if empty: there was an error. */
  readonly error?: string;
  readonly allowReconnect?: boolean;
}

export interface Acknowledgement {
  readonly type: typeof MessageType.ack | typeof MessageType.sequence;
  readonly sequenceId: number;
}

/** What calls consist of. */
export type CallMessage = Invocation | StreamItem | Completion | CancelInvocation;

export type HubMessage = CallMessage | Ping | Close | Acknowledgement;
