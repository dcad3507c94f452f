/** How much a mailbox takes: the one place where it is decided, for every store, and for messages that are only parked. */
import type { MailboxLimit, StoreLimits } from './store.ts';

export interface Content {
  readonly messages: number;
  /** Of data, in UTF-8. */
  readonly bytes: number;
}

/** The limit that one more message with so much data would break. */
export function limitReached(content: Content, bytes: number, limits: StoreLimits): MailboxLimit | undefined {
  if (content.messages >= limits.messagesPerTransaction) return 'messagesPerTransaction';
  return content.bytes + bytes > limits.mailboxBytes ? 'mailboxBytes' : undefined;
}
