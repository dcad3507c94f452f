/**
 * Makes dist/ui/, the pages of the demo, from ui/; only when they are missing or older than what they are made of.
 *
 * Safe when two processes do it at once: one builds, the others wait, and nobody ever reads half of it. Says so on stderr only.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(root, '.cache');
const stamp = join(cache, 'ui.stamp');
const pages = join(root, 'dist', 'ui');

/** What the pages are made of, besides the packages of the lockfile. */
const SOURCES = ['ui/**/*', 'src/client/**/*', 'src/react/**/*', 'scripts/build-ui.mjs', 'package.json', 'package-lock.json'];

export async function ensureUi() {
  // Where there is nothing to build from, as in a part of the checkout, there is nothing to do.
  if (!existsSync(join(root, 'ui')) || isFresh(stampOf())) return;
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, 'ui.lock');
  await withLock(lock, build, () => say(`another process is building the demo's pages; waiting (${lock})`));
}

async function build() {
  const wanted = stampOf();
  if (isFresh(wanted)) return;
  const begun = Date.now();
  rmSync(stamp, { force: true });
  const making = join(cache, 'ui.making');
  await buildUi(making);
  const old = join(cache, 'ui.old');
  rmSync(old, { recursive: true, force: true });
  mkdirSync(dirname(pages), { recursive: true });
  if (existsSync(pages)) renameSync(pages, old);
  renameSync(making, pages);
  rmSync(old, { recursive: true, force: true });
  writeFileSync(stamp, wanted);
  say(`built the demo's pages in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}

/**
 * Builds without asking whether it has to.
 * @param {string} out the folder; whatever is in it is removed
 */
export async function buildUi(out) {
  const [{ build: bundle }, { default: react }] = await Promise.all([import('vite'), import('@vitejs/plugin-react')]);
  await bundle({
    root: join(root, 'ui'),
    configFile: false,
    envFile: false,
    logLevel: 'error',
    plugins: [react()],
    resolve: { conditions: ['ringback-source', 'module', 'browser', 'production'] },
    build: {
      outDir: out,
      emptyOutDir: true,
      target: 'es2022',
      // The policy of the pages takes nothing inline, and needs no polyfill that makes scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      license: { fileName: 'licenses.md' },
      rolldownOptions: { input: [join(root, 'ui', 'index.html'), join(root, 'ui', 'provider.html')] },
    },
  });
}

/** @param {string} wanted */
function isFresh(wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(join(pages, 'index.html'));
}

function stampOf() {
  const hash = createHash('sha256');
  const files = globSync(SOURCES, { cwd: root, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  for (const path of paths)
    hash
      .update(`${path.slice(root.length)}\n`)
      .update(readFileSync(path))
      .update('\n');
  return hash.digest('hex');
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`[setup] ${text}\n`);
}

if (import.meta.main) await ensureUi();
