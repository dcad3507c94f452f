/** The build of the pages: when they are missing or old, once at a time, and not a moment longer than that. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../fixtures/server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = '<!doctype html><title>A page</title><script type="module" src="./page.ts"></script>';

/** A checkout with our scripts and packages, and pages of its own. */
function prepare(root: string): void {
  cpSync(join(ROOT, 'scripts'), join(root, 'scripts'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(ROOT, name), join(root, name));
  mkdirSync(join(root, 'ui'));
  for (const name of ['index.html', 'provider.html']) writeFileSync(join(root, 'ui', name), PAGE);
  writePage(root, 'first');
}

function writePage(root: string, text: string): void {
  writeFileSync(join(root, 'ui', 'page.ts'), `document.title = ${JSON.stringify(text)};`);
}

interface End {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function build(root: string): Promise<End> {
  const { NODE_TEST_CONTEXT: _nested, ...env } = process.env;
  const child = spawn(process.execPath, [join(root, 'scripts', 'build-ui.mjs')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => (output[stream] += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...output })));
}

/** What the page's script says. */
function builtText(root: string): string {
  const html = readFileSync(join(root, 'dist', 'ui', 'index.html'), 'utf8');
  const [, script = ''] = /src="\/(assets\/[^"]+\.js)"/.exec(html) ?? [];
  return readFileSync(join(root, 'dist', 'ui', script), 'utf8');
}

test('two builds at once make the pages once; a third has nothing to do; a changed or missing one is made again', async () => {
  await using folder = await temporaryFolder();
  prepare(folder.path);
  const both = await Promise.all([build(folder.path), build(folder.path)]);
  assert.deepEqual(
    both.map(({ code, stdout }) => [code, stdout]),
    [
      [0, ''],
      [0, ''],
    ],
    JSON.stringify(both),
  );
  const said = both.map(({ stderr }) => stderr).join('');
  assert.equal(said.match(/built the demo's pages/g)?.length, 1, said);
  assert.match(builtText(folder.path), /first/);

  assert.deepEqual(await build(folder.path), { code: 0, stdout: '', stderr: '' });

  writePage(folder.path, 'second');
  assert.match((await build(folder.path)).stderr, /built/);
  assert.match(builtText(folder.path), /second/);

  rmSync(join(folder.path, 'dist'), { recursive: true });
  assert.match((await build(folder.path)).stderr, /built/);
  assert.ok(!existsSync(join(folder.path, '.cache', 'ui.making')));
  assert.match(builtText(folder.path), /second/);
});

test('pages that cannot be built fail the build, and leave those that are there', async () => {
  await using folder = await temporaryFolder();
  prepare(folder.path);
  assert.equal((await build(folder.path)).code, 0);
  writeFileSync(join(folder.path, 'ui', 'page.ts'), 'import "./nothing.ts";');
  const { code, stdout, stderr } = await build(folder.path);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /nothing\.ts/);
  assert.match(builtText(folder.path), /first/);
});

test('where there are no pages to build, nothing happens', async () => {
  await using folder = await temporaryFolder();
  prepare(folder.path);
  rmSync(join(folder.path, 'ui'), { recursive: true });
  assert.deepEqual(await build(folder.path), { code: 0, stdout: '', stderr: '' });
});
