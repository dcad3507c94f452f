/**
 * The official client of today in Chromium, on a page of another origin, as its package brings it for browsers: over fetch, over
 * XMLHttpRequest, and inside a worker; each transport, each hub protocol.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, suite } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { bundle } from '../fixtures/browser/bundle.ts';
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance/start.ts';
import { isLong } from '../fixtures/long.ts';
import { Proxy } from '../fixtures/proxy.ts';
import { urlOf } from '../fixtures/sockets.ts';
import { features } from './features.ts';
import type { Order } from './visit.ts';

/**
 * What Chromium says of connections that were cut, of the 401 that a feature asks for, and of the requests by which a client ends a
 * connection that has ended.
 */
const EXPECTED_COMPLAINTS = [/net::ERR_/, /^WebSocket connection to .* failed/, /status of 401/, /status of 404/];

const browser = testBrowser();
let server: ConformanceServer;
const script = bundle(fileURLToPath(new URL('page/main.ts', import.meta.url)));

before(async () => {
  server = await startConformanceServer();
});
after(() => server[Symbol.asyncDispose]());

type Urls = Pick<Order, 'url' | 'cuttableUrl'>;

/** One way of a page to the hub: a site of its own, and a visitor with a page of it. */
class Scene implements AsyncDisposable {
  readonly #page: Page;
  readonly #urls: Urls;
  readonly #parts: AsyncDisposableStack;

  private constructor(page: Page, cuttableUrl: string, parts: AsyncDisposableStack) {
    this.#page = page;
    this.#urls = { url: server.url, cuttableUrl };
    this.#parts = parts;
  }

  static async open(kind: string): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await Proxy.start(server.url));
    const site = await serveSite(() => proxy.cut());
    stack.defer(() => site.closeAllConnections());
    stack.defer(() => void site.close());
    const visitor = stack.use(await browser.visitor());
    visitor.allow(...EXPECTED_COMPLAINTS);
    return new Scene(await visitor.page(`${urlOf(site)}/?${kind}`), proxy.url, stack.move());
  }

  async play(order: Omit<Order, keyof Urls>): Promise<unknown> {
    return await this.#page.evaluate(`play(${JSON.stringify({ ...order, ...this.#urls })})`);
  }

  /** By what the client asked to negotiate. */
  async initiators(): Promise<unknown> {
    return await this.#page.evaluate('initiators()');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

const packages = createRequire(import.meta.url);

/** The page and its scripts; POST /cut cuts the visitor's own way to the hub. */
async function serveSite(cut: () => void): Promise<Server> {
  const official = async (name: string, file: string): Promise<string> =>
    await readFile(join(dirname(packages.resolve(`${name}/package.json`)), 'dist', 'browser', file), 'utf8');
  const scripts = ['/signalr.js', '/msgpack.js', '/page.js'];
  const files: Readonly<Record<string, string>> = {
    '/': `<!doctype html><meta charset=utf-8><title>page</title>${scripts.map((src) => `<script src=${src}></script>`).join('')}`,
    '/worker.js': `importScripts(${scripts.map((src) => `'${src}'`).join()})`,
    '/signalr.js': await official('@microsoft/signalr', 'signalr.min.js'),
    '/msgpack.js': await official('@microsoft/signalr-protocol-msgpack', 'signalr-protocol-msgpack.min.js'),
    '/page.js': await script,
  };
  const site = createServer(({ url = '/', method }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    if (method === 'POST') cut();
    response.setHeader('content-type', pathname.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(files[pathname] ?? '');
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  return site;
}

/** Chromium polls again by itself when a connection that it has kept alive is cut: the client does not even hear of it. */
const UNHEARD_BY_POLLS = ['ends: its connection is cut', 'comes back after a cut'];

assert.ok(UNHEARD_BY_POLLS.every((title) => title in features));

const ways = [
  { transport: 'WebSockets', protocol: 'json' },
  { transport: 'WebSockets', protocol: 'messagepack' },
  { transport: 'ServerSentEvents', protocol: 'json' },
  { transport: 'LongPolling', protocol: 'json' },
  { transport: 'LongPolling', protocol: 'messagepack' },
] as const;

/** By what a page asks, and in which ways to the hub in the short run: each kind and each way is there. */
const kinds = {
  fetch: { initiator: 'fetch', short: [0, 2, 4] },
  xhr: { initiator: 'xmlhttprequest', short: [3] },
  worker: { initiator: 'fetch', short: [1] },
} as const;

suite('in Chromium', { concurrency: 3 }, () => {
  for (const [kind, { initiator, short }] of Object.entries(kinds)) {
    for (const way of isLong ? ways : ways.filter((_, index) => short.some((chosen) => chosen === index))) {
      browserTest(`${way.transport}, ${way.protocol}, ${kind}`, async () => {
        await using scene = await Scene.open(kind);
        for (const [title, { expected }] of Object.entries(features)) {
          if (way.transport === 'LongPolling' && UNHEARD_BY_POLLS.includes(title)) continue;
          const seen = await scene.play({ title, ...way });
          if (seen !== undefined) assert.deepEqual(seen, expected, title);
        }
        assert.deepEqual(await scene.initiators(), [initiator], 'it was this that asked');
      });
    }
  }
});
