/**
 * The back end of the demo's shop: opens the transaction of an order as any shop's back end does, and tells how far its
 * messages got.
 */
import { RingbackError } from '../../errors.ts';
import type { Addresses } from '../addresses.ts';
import type { Api } from '../api.ts';
import type { MailboxPageView, MessageView, ReceiptView, TransactionView, WireOpened } from '../wire.ts';
import { newOrderNumber, orderOf, type Order } from './order-number.ts';

/** Of a transaction with more than these, the newest are told. */
const MOST_MESSAGES = 50;

export interface OrderTrace extends Order {
  /** Null as long as no page has opened the order. */
  readonly transaction: Pick<TransactionView, 'id' | 'state' | 'createdAt' | 'connections'> | null;
  readonly messages: readonly (MessageView & Omit<ReceiptView, 'storedAt'>)[];
}

export interface OpenedOrder extends Pick<WireOpened, 'id' | 'accessToken' | 'tokenId' | 'hubUrl'> {
  readonly createdAt: string;
}

export interface ShopOptions {
  readonly api: Api;
  readonly addresses: Pick<Addresses, 'hub'>;
}

export class Shop {
  readonly #api: Api;
  readonly #addresses: Pick<Addresses, 'hub'>;

  constructor({ api, addresses }: ShopOptions) {
    this.#api = api;
    this.#addresses = addresses;
  }

  newOrder(): Order {
    return this.order(newOrderNumber());
  }

  /** @throws RingbackError not_found */
  order(number: string): Order {
    const order = orderOf(number);
    if (order === undefined) throw new RingbackError('not_found', { detail: 'the shop has no order with this number' });
    return order;
  }

  /**
   * Opens the transaction of an order; for another page of the same order, one more token of the same transaction.
   * @throws RingbackError not_found, and as {@link Api.open}
   */
  async openTransaction(number: string): Promise<OpenedOrder> {
    const { order } = this.order(number);
    const existing = await this.#transactionOf(order);
    if (existing !== undefined) return this.#join(existing);
    try {
      const { id, accessToken, tokenId, hubUrl } = await this.#api.open({ reference: order });
      const { createdAt } = await this.#transaction(id);
      return { id, accessToken, tokenId, hubUrl, createdAt };
    } catch (error) {
      // Another page of this order was quicker.
      const winner = isTaken(error) ? await this.#transactionOf(order) : undefined;
      if (winner === undefined) throw error;
      return this.#join(winner);
    }
  }

  /** @throws RingbackError not_found, store_unavailable */
  async trace(number: string): Promise<OrderTrace> {
    const order = this.order(number);
    const found = await this.#transactionOf(order.order);
    if (found === undefined) return { ...order, transaction: null, messages: [] };
    const { id, state, createdAt, connections } = found;
    const after = Math.max(0, found.lastSequence - MOST_MESSAGES);
    const page: MailboxPageView = JSON.parse(await this.#api.messages(id, { after, limit: MOST_MESSAGES }, false));
    return {
      ...order,
      transaction: { id, state, createdAt, connections: connections.toSorted(byBegin) },
      messages: await Promise.all(page.messages.map((message) => this.#traced(id, message))),
    };
  }

  /** @throws RingbackError not_found; transaction_not_found, when no page has opened the order */
  async settle(number: string): Promise<{ readonly state: string }> {
    const existing = await this.#transactionOf(this.order(number).order);
    if (existing === undefined) throw new RingbackError('transaction_not_found');
    const { state } = await this.#api.settle(existing.id);
    return { state };
  }

  async #traced(transactionId: string, message: MessageView): Promise<OrderTrace['messages'][number]> {
    const receipt: ReceiptView = JSON.parse(await this.#api.receipt(transactionId, message.id));
    const { storedAt: _sameAsTime, ...rest } = receipt;
    return { ...message, ...rest };
  }

  async #join({ id, createdAt }: TransactionView): Promise<OpenedOrder> {
    return { id, ...(await this.#api.addToken(id)), hubUrl: this.#addresses.hub(), createdAt };
  }

  async #transaction(id: string): Promise<TransactionView> {
    return JSON.parse(await this.#api.transaction(id, true));
  }

  /** The newest; orders are not used again. */
  async #transactionOf(order: string): Promise<TransactionView | undefined> {
    const found: { transactions: TransactionView[] } = JSON.parse(await this.#api.transactionsByReference(order));
    return found.transactions[0];
  }
}

function byBegin(a: { since: string }, b: { since: string }): number {
  return Date.parse(a.since) - Date.parse(b.since);
}

function isTaken(error: unknown): boolean {
  return error instanceof RingbackError && error.code === 'reference_taken';
}
