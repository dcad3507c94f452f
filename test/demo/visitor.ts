/** The demo as its pages use it: orders, their transactions, and what the provider sends. Every call must be answered well. */
import assert from 'node:assert/strict';
import type { EventKind, ProviderCall } from '../../src/server/demo/provider.ts';
import type { OpenedOrder, OrderTrace } from '../../src/server/demo/shop.ts';
import type { WireOpened } from '../../src/server/wire.ts';
import { request, type RequestOptions } from '../fixtures/http-api.ts';
import { Page } from '../fixtures/page.ts';

export class Visitor {
  readonly #url: string;
  readonly #options: RequestOptions;

  constructor(url: string, options: RequestOptions = { origin: url }) {
    this.#url = url;
    this.#options = options;
  }

  async order(): Promise<string> {
    const { order } = await this.#ask<{ order: string }>('POST', '/demo/orders', { json: {} });
    return order;
  }

  trace(order: string): Promise<OrderTrace> {
    return this.#ask('GET', `/demo/orders/${order}`);
  }

  open(order: string): Promise<OpenedOrder> {
    return this.#ask('POST', `/demo/orders/${order}/transaction`, { json: {} });
  }

  settle(order: string): Promise<{ state: string }> {
    return this.#ask('POST', `/demo/orders/${order}/settle`, { json: {} });
  }

  async send(order: string, kind: EventKind): Promise<readonly ProviderCall[]> {
    const { calls } = await this.#ask<{ calls: ProviderCall[] }>('POST', `/demo/orders/${order}/events`, { json: { kind } });
    return calls;
  }

  /** Without any order: what a page can do by itself. */
  openAnonymously(): Promise<WireOpened> {
    return this.#ask('POST', '/v1/transactions', { json: {} });
  }

  async #ask<Body>(method: string, path: string, options: RequestOptions = {}): Promise<Body> {
    const { status, text } = await request(method, this.#url + path, { ...this.#options, ...options });
    assert.ok(status === 200 || status === 201, `${method} ${path} was answered ${status}: ${text}`);
    return JSON.parse(text);
  }
}

/** A page that acks whatever it gets, with the type as its reply. @param after undefined: where the transaction stands */
export function attach({ hubUrl, accessToken }: Pick<WireOpened, 'hubUrl' | 'accessToken'>, after?: number): Promise<Page> {
  return Page.open({
    hubUrl,
    accessToken,
    ...(after !== undefined && { after }),
    onMessage: ({ sequence, type }, page) => void page.connection.send('ack', sequence, { shown: type }),
  });
}
