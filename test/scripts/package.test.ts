/** The package as a user gets it: built, packed, installed into an empty folder, imported and run. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly bin: Record<string, string>;
  readonly exports: Record<string, unknown>;
}

const manifest: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const subpaths = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'));
const specifiers = subpaths.map((path) => `ringback${path.slice(1)}`);

const folder = mkdtempSync(join(tmpdir(), 'ringback-package-'));
const stage = join(folder, 'stage');
const app = join(folder, 'app');

function execute(cwd: string, file: string, ...args: string[]): string {
  const { NODE_TEST_CONTEXT: _nested, ...env } = process.env;
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env, encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${error ?? `${stdout}\n${stderr}`}`);
  return stdout;
}

function npm(cwd: string, ...args: string[]): string {
  const { npm_execpath: script } = process.env;
  const quiet = ['--loglevel=error', '--no-audit', '--no-fund'];
  return script === undefined
    ? execute(cwd, 'npm', ...args, ...quiet)
    : execute(cwd, process.execPath, script, ...args, ...quiet);
}

before(() => {
  mkdirSync(stage);
  mkdirSync(app);
  execute(ROOT, process.execPath, 'scripts/build.mjs', '--out', join(stage, 'dist'));
  for (const name of ['package.json', 'LICENSE', 'README.md', ...manifest.files]) {
    if (name !== 'dist' && existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(stage, name), { recursive: true });
  }
  npm(stage, 'pack', '--pack-destination', folder);
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }');
  npm(app, 'install', '--prefer-offline', '--ignore-scripts', join(folder, `ringback-${manifest.version}.tgz`));
});

after(() => rmSync(folder, { recursive: true }));

test('the package holds what it is built from and nothing else', () => {
  const installed = join(app, 'node_modules', 'ringback');
  for (const name of ['LICENSE', ...manifest.files])
    assert.ok(existsSync(join(installed, name)), `${name} is not in the package`);
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')),
    [],
  );
  const scripts = files.filter((name) => name.endsWith('.js'));
  assert.ok(scripts.length >= 30, `only ${scripts.length} files`);
  for (const name of scripts) {
    assert.doesNotMatch(
      readFileSync(join(installed, 'dist', name), 'utf8'),
      /(from|import\(|new URL\() ?['"]\.[^'"]*\.ts['"]/,
      name,
    );
  }
});

test('every subpath can be imported', () => {
  assert.ok(specifiers.length >= 2);
  const names = specifiers.map((specifier) => `Object.keys(await import('${specifier}')).length`);
  const counts: number[] = JSON.parse(
    execute(app, process.execPath, '--input-type=module', '-e', `console.log(JSON.stringify([${names.join(', ')}]))`),
  );
  for (const [i, count] of counts.entries()) assert.ok(count > 0, `${specifiers[i]} exports nothing`);
});

test('every subpath has types', () => {
  const lines = specifiers.map(
    (specifier, i) => `import type * as subpath${i} from '${specifier}';\nexport type { subpath${i} };`,
  );
  writeFileSync(join(app, 'use.ts'), lines.join('\n'));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  execute(
    app,
    process.execPath,
    tsc,
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    'use.ts',
  );
});

test('the bin runs', () => {
  assert.equal(execute(app, join(app, 'node_modules', '.bin', 'ringback'), '--version'), `${manifest.version}\n`);
});

test('the installed server starts on a database file, with its worker, and stops', async () => {
  const program = join(app, 'node_modules', 'ringback', 'dist', 'cli', 'main.js');
  const args = [program, 'serve', '--port', '0', '--store', `sqlite:${join(app, 'ringback.db')}`];
  const server = spawn(process.execPath, args, { cwd: app, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line]: Buffer[] = await once(server.stdout, 'data', { signal: AbortSignal.timeout(20_000) });
    assert.match(String(line), /^ringback listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    server.kill('SIGTERM');
    assert.deepEqual(await once(server, 'exit'), [0, null]);
  } finally {
    server.kill('SIGKILL');
  }
});
