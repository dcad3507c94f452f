import { HubConnectionBuilder, HubConnectionState, LogLevel, type HubConnection } from '@microsoft/signalr';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { Ringback } from '../../src/index.ts';
import { startServer, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { blocksOf, readPage, ROOT } from './blocks.ts';
import { type } from './terminal.ts';
import { load, typeErrors, writeSources } from './typescript.ts';

const PAGE = 'README.md';
const MAX_LINES = 150;
/** Lines that a screen shows of the page before anybody scrolls. */
const FOLD = 40;
const URL_IN_PAGE = 'http://127.0.0.1:8080';

const blocks = blocksOf(PAGE);

/** Every block that this file knows what to do with; each is looked up below. */
const KNOWN = [
  'text picture',
  'bash start',
  'bash first-sample',
  'json first-sample prints',
  'bash test',
  'ts page.ts',
  'bash curl',
  'json curl prints',
  'ts shop.ts',
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

test('the README is short, and a sample comes early', () => {
  const lines = readPage(PAGE).trimEnd().split('\n').length;
  assert.ok(lines <= MAX_LINES, `${lines} lines, at most ${MAX_LINES}`);
  const sample = blocks.find(({ name }) => name === 'first-sample');
  assert.ok(sample && sample.line <= FOLD, `the first sample begins at line ${sample?.line}, after line ${FOLD}`);
  assert.match(code('text picture'), /mailbox/u);
});

test('the types of every TypeScript block of the README and the protocol are right', async () => {
  await using folder = await temporaryFolder();
  const all = [...blocks, ...blocksOf('PROTOCOL.md')].filter(({ language }) => language === 'ts');
  assert.ok(all.length >= 7, `only ${all.length} blocks were seen`);
  const wrong = { 'wrong.ts': "export const wrong: number = 'text';" };
  writeSources(folder.path, { ...Object.fromEntries(all.map((block, index) => [`block-${index}.ts`, block.code])), ...wrong });
  const errors = (await typeErrors(folder.path)).trimEnd().split('\n');
  // The planted one shows that the compiler looked at the folder.
  assert.equal(errors.length, 1, errors.join('\n'));
  assert.match(errors[0] ?? '', /wrong\.ts\(1,14\)/u);
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

interface PageModule {
  wait(opened: { hubUrl: string; accessToken: string }, show: (message: unknown) => void): Promise<HubConnection>;
}

interface ShopModule {
  readonly server: Server;
  readonly ringback: Ringback;
}

/** What was shown, and a way to wait for the next one. */
class Shown {
  readonly #messages: unknown[] = [];
  #changed = Promise.withResolvers<void>();

  readonly show = (message: unknown): void => {
    this.#messages.push(message);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  async data(count: number): Promise<unknown[]> {
    while (this.#messages.length < count) await this.#changed.promise;
    return this.#messages.map((message) =>
      typeof message === 'object' && message !== null && 'data' in message ? message.data : undefined,
    );
  }
}

test('the five lines of a page receive, ack, come back to a server that was restarted, and stop on a 401', async () => {
  await using folder = await temporaryFolder();
  writeSources(folder.path, { 'page.ts': code('ts page.ts') });
  const page = await load<PageModule>(folder.path, 'page.ts');
  const store = `sqlite:${join(folder.path, 'ringback.db')}`;
  const shown = new Shown();

  const first = await startServer({ store });
  const port = Number(new URL(first.url).port);
  const opened = await first.backEnd.open();
  await first.backEnd.send(opened.id, { data: 'before' });
  const connection = await page.wait(opened, shown.show);
  const ended = new Promise<void>((resolve) => connection.onclose(() => resolve()));
  assert.deepEqual(await shown.data(1), ['before']);
  const sent = await first.backEnd.send(opened.id, { data: 'live' }, 10);
  assert.equal(sent.status, 'handled');
  await first.drain();

  const second = await startServer({ store, port });
  await second.backEnd.send(opened.id, { data: 'after the restart' });
  assert.deepEqual(await shown.data(3), ['before', 'live', 'after the restart']);
  await second.drain();

  await using _stranger: TestServer = await startServer({ port });
  await ended;
  assert.equal(connection.state, HubConnectionState.Disconnected);
});

test('the shop with Ringback in it serves its own pages, and lets in whom it knows', async () => {
  await using folder = await temporaryFolder();
  writeSources(folder.path, { 'shop.ts': code('ts shop.ts').replace('listen(3000)', "listen(0, '127.0.0.1')") });
  using _working = workingIn(folder.path);
  const { server, ringback } = await load<ShopModule>(folder.path, 'shop.ts');
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const url = `http://127.0.0.1:${address.port}`;
  assert.equal(await (await fetch(url)).text(), 'your app');

  const shown = new Shown();
  const visitor = clientOf(`${url}/hub?session=the+visitor`);
  visitor.on('message', shown.show);
  await visitor.start();
  assert.deepEqual(await shown.data(1), [{ amount: 4200 }]);
  await assert.rejects(clientOf(`${url}/hub?session=somebody+else`).start(), /'401'/u);

  await visitor.stop();
  await ringback.close();
  server.close();
});

/** Relative names start there, until it is disposed of. */
function workingIn(folder: string): Disposable {
  const before = process.cwd();
  process.chdir(folder);
  return { [Symbol.dispose]: () => process.chdir(before) };
}

function clientOf(url: string): HubConnection {
  return new HubConnectionBuilder().withUrl(url).configureLogging(LogLevel.None).build();
}
