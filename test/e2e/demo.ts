/** The demo as a person uses it: its checkout and its payment provider in real browsers, told apart by what they show. */
import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import type { Visitor } from '../fixtures/browser/browser.ts';
import { API_KEY } from '../fixtures/back-end.ts';
import { request } from '../fixtures/http-api.ts';

/** What the shop's order page tells of a message. */
export interface Traced {
  readonly sequence: number;
  readonly type: string;
  readonly status: string;
  readonly attempts: number;
  readonly reply?: unknown;
}

export interface Trace {
  readonly order: string;
  readonly transaction: null | { readonly id: string; readonly connections: readonly { readonly transport: string }[] };
  readonly messages: readonly Traced[];
}

export type EventKind = 'authorised' | 'success' | 'failure' | 'duplicate' | 'out-of-order' | 'forged';

/** The demo's own HTTP interface, as its pages use it. */
export class DemoApi {
  readonly url: string;
  /** Its pages ask for the API key, since they can be reached from elsewhere. */
  readonly asksForKey: boolean;

  private constructor(url: string, asksForKey: boolean) {
    this.url = url;
    this.asksForKey = asksForKey;
  }

  static async at(url: string): Promise<DemoApi> {
    const { status, text } = await request('POST', `${url}/demo/orders`, { json: {} });
    assert.ok(status === 201 || status === 401, text);
    return new DemoApi(url, status === 401);
  }

  /** A tab at one of its pages; who sits there has the key, if one is asked for. */
  async page(visitor: Visitor, path = ''): Promise<Page> {
    if (this.asksForKey) visitor.allow(/status of 401/);
    return this.enter(await visitor.page(this.url + path));
  }

  /** The same for a tab that a page has opened. */
  async enter(page: Page): Promise<Page> {
    if (this.asksForKey) {
      await page.getByTestId('api-key').fill(API_KEY);
      await page.keyboard.press('Enter');
    }
    return page;
  }

  /** Makes an order that no page knows of; resolves to its number. */
  async order(): Promise<string> {
    const made: Trace = await this.#call('POST', '', {});
    return made.order;
  }

  async open(order: string): Promise<void> {
    await this.#call('POST', `/${order}/transaction`, {});
  }

  async send(order: string, kind: EventKind): Promise<void> {
    await this.#call('POST', `/${order}/events`, { kind });
  }

  trace(order: string): Promise<Trace> {
    return this.#call<Trace>('GET', `/${order}`);
  }

  async #call<Body>(method: string, path: string, json?: unknown): Promise<Body> {
    const answer = await request(method, `${this.url}/demo/orders${path}`, { json, bearer: API_KEY });
    assert.ok(answer.status === 200 || answer.status === 201, `${method} ${path}: ${answer.status} ${answer.text}`);
    return JSON.parse(answer.text);
  }
}

/** The part of the checkout that belongs to one visitor. */
export class Checkout {
  readonly page: Page;
  readonly part: Locator;
  readonly #demo: DemoApi;

  constructor(demo: DemoApi, page: Page, slot: 'a' | 'b' = 'a') {
    this.#demo = demo;
    this.page = page;
    this.part = page.getByTestId(`visitor-${slot}`);
  }

  /** A tab at the checkout, connected; of an order that exists, if one is given. */
  static async open(visitor: Visitor, demo: DemoApi, order?: string): Promise<Checkout> {
    const checkout = new Checkout(demo, await demo.page(visitor, order === undefined ? '' : `/?order=${order}`));
    await checkout.connected();
    return checkout;
  }

  /** The client has what there is. */
  async connected(state = 'open'): Promise<void> {
    await this.part.locator(`[data-testid=connection][data-state=${state}]`).waitFor();
  }

  /** The page says what has become of the payment. */
  async says(outcome: 'waiting' | 'authorised' | 'paid' | 'declined'): Promise<void> {
    await this.part.locator(`[data-testid=outcome][data-outcome=${outcome}]`).waitFor();
  }

  order(): Promise<string> {
    return this.part.getByTestId('order-number').innerText();
  }

  /** The times of the steps done, by name. */
  async timeline(): Promise<Map<string, number>> {
    const steps = await this.part.getByTestId('timeline').locator('li:has(time)').all();
    return new Map(
      await Promise.all(
        steps.map(async (step): Promise<[string, number]> => {
          const at = await step.locator('time').getAttribute('datetime');
          return [(await step.getAttribute('data-step')) ?? '', Date.parse(at ?? '')];
        }),
      ),
    );
  }

  /** Waits until a step is done. */
  async step(name: string): Promise<void> {
    await this.part.locator(`li[data-step=${name}]:has(time)`).first().waitFor();
  }

  /** Follows the page's own link. */
  async provider(): Promise<Provider> {
    return new Provider(await this.popup('provider-link'));
  }

  /** Follows a link of this visitor into another tab. */
  async popup(testId: string): Promise<Page> {
    const [page] = await Promise.all([this.page.waitForEvent('popup'), this.part.getByTestId(testId).click()]);
    return this.#demo.enter(page);
  }
}

export class Provider {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** At a new order, which no page knows of. */
  static async open(visitor: Visitor, demo: DemoApi): Promise<Provider> {
    const page = await visitor.page(`${demo.url}/provider`);
    const begin = (): Promise<void> => page.getByTestId('new-order').click();
    await begin();
    if (demo.asksForKey) {
      visitor.allow(/status of 401/);
      await demo.enter(page);
      await begin();
    }
    await page.getByTestId('send-success').waitFor();
    return new Provider(page);
  }

  /** Presses the button, and waits until the server has answered that call. */
  async send(kind: EventKind, status = 200): Promise<void> {
    const call = this.page.locator(`[data-testid=call][data-kind=${kind}]`);
    const before = await call.count();
    await this.page.getByTestId(`send-${kind}`).click();
    await call.nth(before).waitFor();
    assert.equal(await call.first().getAttribute('data-status'), String(status));
  }

  /** So many messages have got this far. */
  async receipts(status: string, count = 1): Promise<void> {
    await this.page
      .locator(`[data-testid=receipt][data-status=${status}]`)
      .nth(count - 1)
      .waitFor();
    assert.equal(await this.page.getByTestId('receipt').count(), count);
  }
}
