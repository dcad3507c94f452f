/** Ringback in React: one hook over the browser client. Opens nothing while it renders, on servers neither. */
'use client';
export type { Message, OpenedTransaction, TransactionState } from '../client/index.ts';
export type { TransactionView } from './shared-transaction.ts';
export { useTransaction, type UseTransactionOptions } from './use-transaction.ts';
