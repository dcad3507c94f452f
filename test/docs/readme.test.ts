import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import type { Ringback } from '../../src/index.ts';
import { browserTest, testBrowser } from '../fixtures/browser/browser.ts';
import { bundle } from '../fixtures/browser/bundle.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { blocksOf, readPage, ROOT } from './blocks.ts';
import { type } from './terminal.ts';
import { load, writeSources } from './typescript.ts';

const PAGE = 'README.md';
const MAX_LINES = 150;
/** Lines of the page that a reader sees before anybody has to scroll far. */
const FOLD = 50;
const URL_IN_PAGE = 'http://127.0.0.1:8080';

const blocks = blocksOf(PAGE);

/** Every block that this file knows what to do with; each is looked up below. */
const KNOWN = [
  'text picture',
  'bash start',
  'bash test',
  'ts shop.ts',
  'ts page.ts',
  'bash first-sample',
  'json first-sample prints',
  'bash curl',
  'json curl prints',
] as const;

function code(known: (typeof KNOWN)[number]): string {
  const found = blocks.find(({ language, name }) => `${language} ${name}` === known);
  assert.ok(found, `${PAGE} has no block "${known}"`);
  return found.code;
}

function masked(text: string): string {
  return text
    .replaceAll(/msg_[\w-]{20,}/gu, 'msg_…')
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/gu, '"…"')
    .trimEnd();
}

test('every block of the README is one that is run here, and none is missing', () => {
  assert.deepEqual(
    blocks.map(({ language, name }) => `${language} ${name}`),
    [...KNOWN],
  );
});

test('the README is short, and its command and its sample come early', () => {
  const lines = readPage(PAGE).trimEnd().split('\n').length;
  assert.ok(lines <= MAX_LINES, `${lines} lines, at most ${MAX_LINES}`);
  for (const early of ['start', 'shop.ts']) {
    const line = blocks.find(({ name }) => name === early)?.line;
    assert.ok(line !== undefined && line <= FOLD, `${early} begins at line ${line}, after line ${FOLD}`);
  }
  assert.match(code('text picture'), /mailbox/u);
});

test('npm test is the command that it says', async () => {
  assert.equal(code('bash test'), 'npm test');
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readPage('package.json'));
  assert.ok(scripts['test']);
});

/** `npm start` as it stands, told by its environment to use a free port and a folder of ours. */
class Started implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly url: string;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async run(command: string, environment: Readonly<Record<string, string>>): Promise<Started> {
    const child = spawn('bash', ['-c', `exec ${command}`], {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /^ringback listening on (\S+)$/u.exec(line)?.[1];
      if (url !== undefined) return new Started(child, url);
    }
    throw new Error(`${command} ended before it listened`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], 'npm start did not end in order');
  }
}

test('npm start, the first sample and the call with curl do and print what the README says', async () => {
  await using folder = await temporaryFolder();
  const environment = {
    RINGBACK_STORE: `sqlite:${join(folder.path, 'data/ringback.db')}`,
    RINGBACK_API_KEY: '',
    RINGBACK_LOG_LEVEL: 'silent',
  };
  await using server = await Started.run(code('bash start'), { ...environment, RINGBACK_PORT: '0' });
  const scripts = [code('bash first-sample'), code('bash curl').replaceAll(URL_IN_PAGE, server.url)];
  const output = await type(scripts, { folder: folder.path, environment: { ...environment, RINGBACK_URL: server.url } });
  assert.equal(output.code, 0, output.stderr);
  const expected = [code('json first-sample prints'), code('json curl prints')];
  assert.deepEqual(output.printed.map(masked), expected);
});

interface ShopModule {
  readonly server: Server;
  readonly ringback: Ringback;
}

const browser = testBrowser();
const LINES = 20;

test('shop and page are twenty lines each, at most', () => {
  for (const block of [code('ts shop.ts'), code('ts page.ts')]) assert.ok(block.split('\n').length <= LINES);
});

browserTest('in the shop of the README, a signed webhook changes the page that waits, and a reload shows it again', async () => {
  await using folder = await temporaryFolder();
  // Its pages are the reader's part.
  const shopCode = code('ts shop.ts')
    .replace('listen(3000)', "listen(0, '127.0.0.1')")
    .replace("end('your pages')", "setHeader('content-type', 'text/html').end(process.env['SHOP_PAGE'])");
  writeSources(folder.path, { 'shop.ts': shopCode, 'page.ts': code('ts page.ts') });
  const secret = `whsec_${randomBytes(24).toString('base64')}`;
  process.env['ACME_SECRET'] = secret;
  using _working = workingIn(folder.path);
  const { server, ringback } = await load<ShopModule>(folder.path, 'shop.ts');
  await using _end = {
    async [Symbol.asyncDispose]() {
      await ringback.close();
      server.close();
    },
  };
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const url = `http://127.0.0.1:${address.port}`;
  process.env['SHOP_PAGE'] = htmlOf(await bundle(join(folder.path, 'page.ts')));
  await using visitor = await browser.visitor();
  const answered = visitor.context.waitForEvent('response', (response) => response.url() === `${url}/orders`);
  const page = await visitor.page(url);
  const { order }: { order: string } = await (await answered).json();

  const body = JSON.stringify({ type: 'payment.succeeded', data: { order, amount: 4200 } });
  const now = new Date();
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('evt_1', now, body),
  };
  assert.equal((await fetch(`${url}/webhooks/acme`, { method: 'POST', headers, body })).status, 200);
  const shown = page.getByText(`Paid, thank you. {"order":"${order}","amount":4200}`);
  await shown.waitFor();
  await page.reload();
  await shown.waitFor();
});

function htmlOf(script: string): string {
  const safe = script.replaceAll('</script', '<\\/script');
  return `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><body>waiting<script type=module>${safe}</script>`;
}

/** Relative names start there, until it is disposed of. */
function workingIn(folder: string): Disposable {
  const before = process.cwd();
  process.chdir(folder);
  return { [Symbol.dispose]: () => process.chdir(before) };
}
