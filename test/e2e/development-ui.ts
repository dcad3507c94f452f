/** The scripts of the demo's checkout as a developer's build, in which React's StrictMode mounts everything twice. */
import react from '@vitejs/plugin-react';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext } from 'playwright-core';
import { build } from 'vite';
import { request } from '../fixtures/http-api.ts';

const UI = fileURLToPath(new URL('../../ui', import.meta.url));

/**
 * From now on this browser gets them in the place of the server's. The page itself still comes from the server: one that does not
 * come over the network may not call a server of this machine.
 */
export async function serveDevelopmentUi(context: BrowserContext, url: string): Promise<void> {
  const [, entry] = /<script type="module"[^>]* src="(\/[^"]+\.js)"/.exec((await request('GET', url)).text) ?? [];
  assert.ok(entry);
  const scripts = await bundle();
  await context.route(`${url}/assets/*.js`, (route) => {
    const { pathname } = new URL(route.request().url());
    const body = scripts.get(pathname === entry ? 'entry' : pathname);
    return body === undefined ? route.continue() : route.fulfill({ contentType: 'text/javascript', body });
  });
}

/** By path; the first to run is `entry`. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const output = await build({
    root: UI,
    configFile: false,
    logLevel: 'error',
    mode: 'development',
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [react()],
    resolve: { conditions: ['ringback-source', 'module', 'browser', 'development'] },
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: join(UI, 'index.html') },
    },
  });
  assert.ok(!Array.isArray(output) && 'output' in output);
  const chunks = output.output.flatMap((file) => (file.type === 'chunk' ? [file] : []));
  assert.equal(chunks.filter(({ isEntry }) => isEntry).length, 1);
  return new Map(chunks.map(({ isEntry, fileName, code }) => [isEntry ? 'entry' : `/${fileName}`, code]));
}
