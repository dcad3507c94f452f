/** A site of one page, bundled by Vite, with Ringback in the same server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { createRingback, type Ringback } from '../../src/index.ts';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';

/** The page under test. */
export const SCENE = fileURLToPath(new URL('page/scene.tsx', import.meta.url));

const HEAD = '<!doctype html><meta charset=utf-8><title>test</title><link rel=icon href=data:,>';

export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly ringback: Ringback;
  readonly backEnd: BackEnd;
}

/** @param rendered what a server rendered into `#root`, asked for each time */
export async function startSite(script: string, rendered = (): string => ''): Promise<Site> {
  const ringback = await createRingback({ store: 'memory:', drainSeconds: 1, apiKeys: [API_KEY] });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://site');
    if (pathname === '/page.js') return response.setHeader('content-type', 'text/javascript').end(script);
    response.setHeader('content-type', 'text/html');
    return response.end(`${HEAD}<div id=root>${rendered()}</div><script type=module src=/page.js></script>`);
  });
  ringback.mount(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address !== 'string');
  const url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    ringback,
    backEnd: new BackEnd(url),
    async [Symbol.asyncDispose]() {
      await ringback.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
