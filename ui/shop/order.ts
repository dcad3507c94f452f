/** What the demo's shop and provider say over HTTP, and how an order is written for people. */
import type { OpenedTransaction } from 'ringback/client';

export interface Order {
  readonly order: string;
  readonly item: { readonly name: string; readonly detail: string };
  /** In cents. */
  readonly amount: number;
  readonly currency: string;
}

export interface Opened extends OpenedTransaction {
  readonly createdAt: string;
}

export type MessageStatus = 'stored' | 'delivered' | 'handled' | 'failed' | 'expired';

/** A message, and how far it got: what the sender can see. */
export interface TracedMessage {
  readonly id: string;
  readonly sequence: number;
  readonly type: string;
  readonly time: string;
  readonly status: MessageStatus;
  readonly deliveredAt?: string;
  readonly handledAt?: string;
  readonly attempts: number;
  readonly reply?: unknown;
  readonly error?: string;
}

export interface OrderTrace extends Order {
  /** Null as long as no page has opened the order. */
  readonly transaction: {
    readonly id: string;
    readonly state: 'open' | 'settled' | 'expired';
    readonly createdAt: string;
    readonly connections: readonly { readonly id: string; readonly transport: string; readonly since: string }[];
  } | null;
  readonly messages: readonly TracedMessage[];
}

export type EventKind = 'authorised' | 'success' | 'failure' | 'duplicate' | 'out-of-order' | 'forged';

/** One HTTP request of the provider, and what it was answered. */
export interface ProviderCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** 0: no answer came. */
  readonly status: number;
  readonly answer: string;
  readonly sentAt: string;
  readonly tookMs: number;
}

export function amountText({ amount, currency }: Pick<Order, 'amount' | 'currency'>): string {
  return new Intl.NumberFormat('en-IE', { style: 'currency', currency }).format(amount / 100);
}
