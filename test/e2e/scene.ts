/**
 * The client in real browsers, on a page of a shop's own origin under the strictest policy that there is, with a proxy between
 * it and Ringback.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { ReceiptView, WireOpened } from '../../src/server/wire.ts';
import type { BackEnd } from '../fixtures/back-end.ts';
import type { TestBrowser, Visitor } from '../fixtures/browser/browser.ts';
import { bundle } from '../fixtures/browser/bundle.ts';
import { Proxy } from '../fixtures/proxy.ts';

const PAGE = fileURLToPath(new URL('page/main.ts', import.meta.url));

/** What Chromium itself says of a server that it cannot reach; the page can do nothing about that. */
export const OUT_OF_REACH = [/net::ERR_/, /^WebSocket connection to .* failed/];

/**
 * The same of an instance that ends: it sends away who comes, a balancer that had just asked it has no answer, and others do not
 * know the polls that it had.
 */
export const ENDING = [/status of 50[23]/, /status of 404 .*\/hub\?.*id=/];

/** The shop: its page, and its back end that hands out what was opened for a visitor. */
export class Shop implements AsyncDisposable {
  readonly url: string;
  readonly #visits: WireOpened[] = [];
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async open(): Promise<Shop> {
    const script = await bundle(PAGE);
    const server = createServer(({ url: path = '/' }, response) => {
      const { pathname, searchParams } = new URL(path, shop.url);
      if (pathname === '/page.js') return answer(response, 'text/javascript', script);
      const opened = shop.#visits[Number(searchParams.get('visit') ?? -1)];
      if (opened === undefined) return response.writeHead(404).end();
      if (pathname === '/opened') return answer(response, 'application/json', JSON.stringify(opened));
      response.setHeader('content-security-policy', policy(opened.hubUrl));
      const head = '<!doctype html><html lang=en><meta charset=utf-8><title>shop</title>';
      return answer(response, 'text/html', `${head}<body><script type=module src=/page.js></script>`);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address !== 'string');
    const shop = new Shop(`http://127.0.0.1:${address.port}`, async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return shop;
  }

  /** Where somebody waits for this transaction; another place each time. */
  urlOf(opened: WireOpened): string {
    const visit = this.#visits.push(opened) - 1;
    return `${this.url}/?visit=${visit}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function answer(response: ServerResponse, type: string, body: string): void {
  response.setHeader('content-type', type).end(body);
}

/** Only its own script, only the hub; no style, no image, no text made into code. */
function policy(hubUrl: string): string {
  const { host } = new URL(hubUrl);
  const allowed = ["script-src 'self'", `connect-src 'self' http://${host} ws://${host}`];
  const forbidden = ['default-src', 'base-uri', 'form-action', 'frame-ancestors'].map((name) => `${name} 'none'`);
  return [...forbidden, ...allowed, "require-trusted-types-for 'script'", "trusted-types 'none'"].join('; ');
}

/** What a tab shows; what is left out may be anything. */
export interface Sight {
  readonly state?: string;
  /** Such as `1 paid, 2 shipped`. */
  readonly messages?: string;
  /** Of the handler, in this tab, over its reloads. */
  readonly calls?: string;
}

export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Waits until the page shows all of this. */
  async shows(sight: Sight): Promise<void> {
    const attributes = Object.entries(sight).map(([name, value]) => `[data-${name}="${value}"]`);
    try {
      await this.page.locator(`body${attributes.join('')}`).waitFor({ state: 'attached' });
    } catch (error) {
      const seen = await this.page.evaluate('JSON.stringify({ ...document.body.dataset })');
      throw new Error(`${JSON.stringify(sight)} never came; the page shows ${String(seen)}`, { cause: error });
    }
  }
}

export interface SceneOptions {
  readonly browser: Pick<TestBrowser, 'visitor'>;
  readonly shop: Shop;
  /** Of Ringback; it allows the shop's origin. */
  readonly url: string;
  readonly backEnd: BackEnd;
}

/** One visitor of the shop, who waits for one transaction behind one proxy. */
export class Scene implements AsyncDisposable {
  readonly visitor: Visitor;
  readonly proxy: Proxy;
  readonly opened: WireOpened;
  readonly #options: SceneOptions;

  private constructor(visitor: Visitor, proxy: Proxy, opened: WireOpened, options: SceneOptions) {
    this.visitor = visitor;
    this.proxy = proxy;
    this.opened = opened;
    this.#options = options;
  }

  static async open(options: SceneOptions): Promise<Scene> {
    const proxy = await Proxy.start(options.url);
    const opened = await options.backEnd.open();
    return new Scene(await options.browser.visitor(), proxy, opened, options);
  }

  /** A tab in which the visitor waits; through this proxy if not through the visitor's own. */
  async tab(proxy = this.proxy): Promise<Tab> {
    const { shop } = this.#options;
    return new Tab(await this.visitor.page(shop.urlOf({ ...this.opened, hubUrl: proxy.through(this.opened.hubUrl) })));
  }

  /** Resolves to the message's id. */
  async send(type: string, data: unknown = null): Promise<string> {
    return (await this.#options.backEnd.send(this.opened.id, { type, data })).id;
  }

  /** Sends, waits for the page, and tells what is known of the message then. */
  async sendAndWait(type: string, waitSeconds = 20): Promise<ReceiptView> {
    const { id } = await this.#options.backEnd.send(this.opened.id, { type, data: null }, waitSeconds);
    return this.receipt(id);
  }

  receipt(messageId: string): Promise<ReceiptView> {
    return this.#options.backEnd.receipt(this.opened.id, messageId);
  }

  /** The transports of those who wait. */
  async transports(): Promise<string[]> {
    const { connections } = await this.#options.backEnd.transaction(this.opened.id);
    return connections.map(({ transport }) => transport);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.proxy;
    await this.visitor[Symbol.asyncDispose]();
  }
}
