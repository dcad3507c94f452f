/**
 * A Chromium whose tabs can be in the background, frozen, and kept for going back, as a person's can. Playwright's own keeps every
 * tab in front and forgets pages that were left; this one is started without its ways and only then joined.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { program, Visitor } from '../fixtures/browser/browser.ts';
import { FLAGS, withoutFeatures } from '../fixtures/browser/chromium-flags.ts';
import { temporaryFolder } from '../fixtures/server.ts';

export interface HidingBrowser extends AsyncDisposable {
  /** The one who uses it. */
  visitor(): Promise<Visitor>;
}

export async function hidingBrowser(): Promise<HidingBrowser> {
  assert.ok(program);
  const folder = await temporaryFolder();
  const profile = `--user-data-dir=${join(folder.path, 'profile')}`;
  const flags = ['--headless=new', '--remote-debugging-port=0', ...FLAGS, withoutFeatures(), profile];
  const child = spawn(program, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const gone = once(child, 'exit');
  const browser = await chromium.connectOverCDP(await endpoint(createInterface(child.stderr)), { noDefaults: true });
  return {
    visitor: async () => {
      const [context] = browser.contexts();
      assert.ok(context);
      return Visitor.in(context);
    },
    async [Symbol.asyncDispose]() {
      child.kill(); // its only context may be closed, and then nothing can be said to it any more
      await gone;
      await browser.close();
      process.off('exit', kill);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function endpoint(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) {
    const [, url] = /^DevTools listening on (ws:\S+)$/.exec(line) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error('Chromium ended before it listened');
}

/** Resolves when the page is in the background. */
const HIDDEN = `new Promise((resolve) => {
  const look = () => document.visibilityState === 'hidden' && resolve();
  document.addEventListener('visibilitychange', look);
  look();
})`;

/** Another tab comes to the front, and after a while Chromium stops everything in this one; until it is woken. */
export async function freeze(page: Page): Promise<{ wake(): Promise<void> }> {
  const devTools = await page.context().newCDPSession(page);
  const front = await page.context().newPage();
  await front.bringToFront();
  await page.evaluate(HIDDEN);
  await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
  return {
    async wake() {
      await page.bringToFront();
      await devTools.send('Page.setWebLifecycleState', { state: 'active' });
      await front.close();
    },
  };
}
