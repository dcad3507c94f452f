/**
 * The hub messages, independent of how a protocol writes them.
 *
 * @see HubProtocol.md, "Message types"
 */

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
  /** Upload streams of the caller, in the order of the method's stream parameters. */
  readonly streamIds?: readonly string[];
}

export interface StreamItem {
  readonly type: typeof MessageType.streamItem;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly item: unknown;
}

/** Has `error`, or `result` (which may be null), or neither: void. */
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

export type HubMessage = Invocation | StreamItem | Completion | CancelInvocation | Ping | Close | Acknowledgement;
