import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { errorKinds } from '../../src/errors.ts';
import { defaultLimits } from '../../src/server/configuration.ts';
import { startServer, temporaryFolder, type TestServer } from '../fixtures/server.ts';
import { blocksOf, readPage } from './blocks.ts';
import { type } from './terminal.ts';
import { writeSources } from './typescript.ts';

const PAGE = 'docs/webhooks.md';
const blocks = blocksOf(PAGE);

/** Every block that this file knows what to do with; each is looked up below. */
const KNOWN = ['json ringback.json', 'bash start', 'bash open', 'js provider.mjs', 'text prints', 'bash provider.sh'] as const;

function code(known: (typeof KNOWN)[number]): string {
  const found = blocks.find(({ language, name }) => `${language} ${name}` === known);
  assert.ok(found, `${PAGE} has no block "${known}"`);
  return found.code;
}

/** A server with the configuration of the page. */
function startAsConfigured(): Promise<TestServer> {
  const { webhooks }: { webhooks: Record<string, never> } = JSON.parse(code('json ringback.json'));
  return startServer({ webhooks });
}

async function received(server: TestServer, reference: string): Promise<unknown[]> {
  const { id } = await server.backEnd.open({ reference });
  const { messages } = await server.backEnd.messages(id);
  return messages.map((message) => [message.type, message.data]);
}

const PAID = ['payment.succeeded', { reference: 'order-4711', amount: 4200 }];

test('every block of the page is one that is run here, and none is missing', () => {
  assert.deepEqual(
    blocks.map(({ language, name }) => `${language} ${name}`),
    [...KNOWN],
  );
});

test('the commands start a server with the configuration of the page, and open a transaction', async () => {
  assert.equal(code('bash start'), 'ringback serve --config ringback.json');
  await using server = await startAsConfigured();
  await using folder = await temporaryFolder();
  const environment = { RINGBACK_URL: server.url, RINGBACK_API_KEY: 'rbak_test-key-of-the-back-end-0123456789' };
  const command = code('bash open').replace('ringback', 'npm run -s ringback --');
  const output = await type([command], { folder: folder.path, environment });
  assert.equal(output.code, 0, output.stderr);
  const { id }: { id: string } = JSON.parse(output.printed[0] ?? '');
  assert.equal((await server.backEnd.transaction(id)).reference, 'order-4711');
});

test('the provider in JavaScript sends, prints what the page says, and its event is the first message', async () => {
  await using server = await startAsConfigured();
  await using folder = await temporaryFolder();
  writeSources(folder.path, { 'provider.mjs': code('js provider.mjs') });
  const child = spawn(process.execPath, [join(folder.path, 'provider.mjs')], {
    env: { ...process.env, URL: `${server.url}/webhooks/acme` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal((await text(child.stdout)).trimEnd(), code('text prints'));
  assert.deepEqual(await received(server, 'order-4711'), [PAID]);
});

test('the provider in a shell does the same', async (t) => {
  const isThere = spawnSync('bash', ['-c', 'command -v openssl && command -v curl']).status === 0;
  if (!isThere && process.env['CI'] !== 'true') return t.skip('this machine has no openssl, or no curl');
  await using server = await startAsConfigured();
  await using folder = await temporaryFolder();
  const environment = { URL: `${server.url}/webhooks/acme` };
  const output = await type([code('bash provider.sh')], { folder: folder.path, environment });
  assert.deepEqual([output.code, ...output.printed.map((printed) => printed.trim())], [0, '{}'], output.stderr);
  assert.deepEqual(await received(server, 'order-4711'), [PAID]);
});

test('the codes and limits that the page names exist, with the statuses that it says', () => {
  const rows = [...readPage(PAGE).matchAll(/^\| (\d{3}) ((?:`\w+`(?:, )?)+) \|/gmu)];
  const named = rows.flatMap(([, status, codes = '']) => [...codes.matchAll(/\w+/gu)].map(([name]) => [name, Number(status)]));
  assert.ok(named.length >= 13, `only ${named.length} codes were seen`);
  const statuses = new Map<unknown, number>(Object.entries(errorKinds).map(([name, kind]) => [name, kind.status]));
  for (const [name, status] of named) assert.equal(statuses.get(name), status, String(name));
  const limits = [...readPage(PAGE).matchAll(/`([a-z]+[A-Z]\w+)`/gu)].map(([, name = '']) => name);
  assert.ok(limits.length >= 10);
  assert.deepEqual(
    limits.filter((name) => name !== 'callbackUrl' && !Object.hasOwn(defaultLimits, name)),
    [],
  );
});
