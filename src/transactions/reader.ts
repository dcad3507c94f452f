/** Who reads a mailbox, as its attachment sees it: the page's side of one connection. */
import type { StoredMessage } from '../store/store.ts';

export type ClosedReason = 'settled' | 'expired' | 'forgotten' | 'revoked';

/** What the attachment drives: the page's side of one connection. */
export interface Reader {
  /** Hands a message to the transport. False: it was refused, and does not count as delivered. */
  deliver(message: StoredMessage): boolean;
  /** False while the transport has enough; `Attachment.resume` is called when it has room again. */
  readonly isWritable: boolean;
  /** The replay is complete up to here. `reset`: the position asked for lies beyond the mailbox, so all was replayed. */
  caughtUp(sequence: number, reset: boolean): void;
  closed(reason: ClosedReason): void;
  /** Nothing more will come: close the connection, for good. */
  end(): void;
}
