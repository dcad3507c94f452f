/** Ringback inside an app: an HTTP call reaches the one browser that waits for it, and is never lost. */
export { RingbackError, type ErrorCode, type FieldFault } from './errors.ts';
export type { Logger } from './logger.ts';
export { ConfigurationError, type RingbackConfiguration } from './server/configuration.ts';
export {
  createRingback,
  type Ack,
  type BatchMessage,
  type Message,
  type OpenOptions,
  type Ringback,
  type RingbackOptions,
} from './server/embed.ts';
export type { Authenticate, PageRequest } from './server/hub/authentication.ts';
export type {
  BatchResult,
  MailboxPageView,
  MessageView,
  ReceiptView,
  SentView,
  TransactionView,
  WireCallback,
  WireFailure,
  WireOpened,
  WireSettled,
  WireToken,
} from './server/wire.ts';
