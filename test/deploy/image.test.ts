/**
 * The Dockerfile followed step by step in a folder, as far as that goes without Docker, and the server started from it as
 * another user. `RINGBACK_IMAGE=full` also installs the packages of the build; else those of this checkout are used there.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { API_KEY, BackEnd } from '../fixtures/back-end.ts';
import { noPostgres, sharedPostgres } from '../fixtures/postgres.ts';
import { temporaryFolder } from '../fixtures/server.ts';
import { follow, lastOf, stages, usePackagesOfCheckout, variablesOf, wordsOf, type Stage } from './image.ts';

const isFull = process.env['RINGBACK_IMAGE'] === 'full';
const isRoot = process.getuid?.() === 0;
const last: Stage = stages.at(-1) ?? assert.fail('no stage');
const [uid = 0, gid = 0] = lastOf(last, 'USER').rest.split(':').map(Number);
const who = isRoot ? { uid, gid } : {};

let folder: Awaited<ReturnType<typeof temporaryFolder>> | undefined;
let root = '';

before(async () => {
  folder = await temporaryFolder();
  chmodSync(folder.path, 0o755);
  root = await follow({
    folder: folder.path,
    replaces(stage, command, workFolder) {
      if (isFull || stage.name !== 'build' || !command.startsWith('npm ci')) return false;
      usePackagesOfCheckout(workFolder);
      return true;
    },
  });
});
after(() => folder?.[Symbol.asyncDispose]());

const inImage = (path: string): string => join(root, path);
/** A command of the image, its absolute paths below the folder that stands for `/`. */
const mapped = (words: readonly string[]): string[] =>
  words.map((word) => (word === 'node' ? inImage('usr/local/bin/node') : word.startsWith('/') ? inImage(word) : word));

function environment(more: Readonly<Record<string, string>>): Record<string, string> {
  const ofImage = last.instructions.filter(({ keyword }) => keyword === 'ENV').flatMap((one) => Object.entries(variablesOf(one)));
  return { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...Object.fromEntries(ofImage), ...more };
}

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly stderr: () => string;
}

/** As the runtime of a container starts it: the entry point and the command, no shell, no more variables than given. */
async function start(more: Readonly<Record<string, string>> = {}): Promise<Running> {
  const [program = '', ...args] = mapped([...wordsOf(lastOf(last, 'ENTRYPOINT').rest), ...wordsOf(lastOf(last, 'CMD').rest)]);
  const env = environment({ RINGBACK_API_KEY: API_KEY, RINGBACK_PORT: '0', RINGBACK_PEER_PORT: '0', ...more });
  const child = spawn(program, args, {
    cwd: inImage(lastOf(last, 'WORKDIR').rest),
    env,
    ...who,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const url = Promise.withResolvers<string>();
  child.stdout
    .setEncoding('utf8')
    .on('data', (text: string) => url.resolve(/^ringback listening on (\S+)\n$/.exec(text)?.[1] ?? text));
  child.once('close', (code) => url.reject(new Error(`ended with ${code}: ${stderr}`)));
  return { child, url: await url.promise, stderr: () => stderr };
}

function healthCheck(port: string): number | null {
  const { rest } = lastOf(last, 'HEALTHCHECK');
  const [program = '', ...args] = mapped(wordsOf(rest.slice(rest.indexOf('['))));
  return spawnSync(program, args, { env: environment({ RINGBACK_PORT: port }), ...who, timeout: 20_000 }).status;
}

test('only what runs is in the last stage: the program, its packages and none of the build', (t) => {
  assert.deepEqual(readdirSync(inImage('app')).toSorted(), ['LICENSE', 'dist', 'node_modules', 'package.json']);
  assert.ok(existsSync(inImage('app/dist/ui/index.html')), 'the pages of the demo are there');
  for (const name of ['fastify', 'ws', 'pino']) assert.ok(existsSync(inImage(`app/node_modules/${name}`)), name);
  for (const name of ['typescript', 'vite', 'oxlint', 'socket.io', 'playwright-core']) {
    assert.ok(!existsSync(inImage(`app/node_modules/${name}`)), `${name} is for development`);
  }
  const bytes = readdirSync(inImage('app'), { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(inImage(`app/${name}`)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  t.diagnostic(`${(bytes / 1e6).toFixed(1)} MB on top of the base image`);
  assert.ok(bytes < 60e6, `${bytes} bytes on top of the base image`);
});

test('started as its user it serves, is healthy, writes only below its volume, and ends with 0 on SIGTERM', async () => {
  const { child, url, stderr } = await start();
  try {
    const { port, hostname } = new URL(url);
    assert.equal(hostname, '0.0.0.0');
    assert.equal(healthCheck(port), 0);
    const backEnd = new BackEnd(`http://127.0.0.1:${port}`);
    const { id } = await backEnd.open();
    assert.equal((await backEnd.send(id)).status, 'stored');
    const database = statSync(inImage(`${lastOf(last, 'VOLUME').rest}/data/ringback.db`));
    assert.equal(database.mode & 0o777, 0o600);
    if (isRoot) assert.equal(database.uid, uid);
    const flags = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0');
    assert.ok(flags.includes('--max-semi-space-size=8'));
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], stderr());
    assert.equal(healthCheck(port), 1, 'what is gone is not healthy');
    for (const line of stderr().trim().split('\n')) assert.ok(JSON.parse(line), 'stderr holds JSON lines and nothing else');
  } finally {
    child.kill('SIGKILL');
  }
});

test('started on PostgreSQL it makes its tables there, and writes nothing here', { skip: noPostgres }, async () => {
  await using database = await (await sharedPostgres()).empty();
  const volume = inImage(lastOf(last, 'VOLUME').rest);
  const before = readdirSync(volume);
  const { child, url, stderr } = await start({ RINGBACK_STORE: database.url });
  try {
    const backEnd = new BackEnd(`http://127.0.0.1:${new URL(url).port}`);
    const { id } = await backEnd.open();
    assert.equal((await backEnd.send(id)).status, 'stored');
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], stderr());
    assert.deepEqual(readdirSync(volume), before);
  } finally {
    child.kill('SIGKILL');
  }
});

test('that user cannot change the program', () => {
  const paths = ['app', 'app/dist/cli/main.js', 'app/package.json', 'app/node_modules/ws', 'usr/local/bin/node'].map(inImage);
  for (const path of paths) {
    const { mode, uid: owner } = statSync(path);
    assert.equal(mode & 0o002, 0, path);
    if (isRoot) assert.equal(owner, 0, path);
  }
});
