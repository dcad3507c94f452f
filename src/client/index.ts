/**
 * `ringback/client`: what a page opens to receive the messages of one transaction.
 *
 * Runs in browsers and, for tests, in Node. Importing it touches no global.
 */
export { openTransaction } from './transaction.ts';
export type {
  ClientStorage,
  Message,
  OpenTransactionOptions,
  OpenedTransaction,
  Transaction,
  TransactionState,
  WaitOptions,
} from './api.ts';
