/**
 * Makes a fresh clone runnable: a Node that runs TypeScript, the packages of the lockfile, and for its tests a Chromium. Says
 * so on stderr only.
 *
 * Plain JavaScript for Node 18 and newer, built-ins only. Each step is cheap when there is nothing to do, safe when two
 * processes do it at once, and repaired by the next run when it was killed half-way.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { CHROMIUM_VARIABLE, findChromium } from './chromium.mjs';
import { withLock } from './lock.mjs';
import { findPostgres, POSTGRES_CACHE, POSTGRES_PACKAGE, POSTGRES_VERSION } from './postgres.mjs';
import { leaveLike, supervise, superviseForeign } from './supervise.mjs';

/** @typedef {Pick<import('./supervise.mjs').End, 'code' | 'signal'>} End */

/** For hosts whose own Node is too old. The package runs on 22.18; its sources and tests, as they are, need `await using`. */
const PINNED_NODE = '24.21.0';
const OLDEST_MAJOR = 24;

/**
 * @param {string} root the checkout
 * @returns {Promise<string>} path of a Node that runs TypeScript; this process's own, if it can
 */
export async function ensureNode(root) {
  if (process.features.typescript && majorOf(process.versions.node) >= OLDEST_MAJOR) return process.execPath;
  return installNode(root, PINNED_NODE, `for this project (it needs ${OLDEST_MAJOR}, here is ${process.versions.node})`);
}

/**
 * Any version of Node, kept in this checkout's cache.
 * @param {string} root the checkout
 * @param {string} version
 * @param {string} purpose for the person who waits
 * @returns {Promise<string>} its path
 */
export async function installNode(root, version, purpose) {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${platform}-${process.arch}`;
  const home = join(root, '.cache', `node-${version}`);
  const node = join(home, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(node)) return node;
  await once(root, `node-${version}`, async () => {
    if (existsSync(node)) return undefined;
    const making = `${home}.making`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making);
    writeFileSync(join(making, 'package.json'), '{ "private": true }'); // or npm would take the folder above for the project
    const failed = await npm(`Node ${version} ${purpose}`, making, ['install', `${name}@${version}`, '--prefix', making]);
    if (failed) return failed;
    rmSync(home, { recursive: true, force: true });
    renameSync(making, home);
    return undefined;
  });
  return node;
}

/**
 * @param {string} root the checkout
 * @param {string} node the Node that the packages are for
 */
export async function ensurePackages(root, node) {
  const stamp = join(root, 'node_modules', '.install-stamp');
  const wanted = stampOf(root, node);
  const isFresh = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (isFresh()) return;
  await once(root, 'packages', async () => {
    if (isFresh()) return undefined;
    rmSync(stamp, { force: true });
    // A checkout may have borrowed another's, through a link: npm would empty that one.
    if (lstatSync(dirname(stamp), { throwIfNoEntry: false })?.isSymbolicLink()) unlinkSync(dirname(stamp));
    const failed = await npm('packages', root, ['ci', '--include=dev', '--include=optional']);
    if (failed) return failed;
    writeFileSync(stamp, wanted);
    return undefined;
  });
}

/**
 * For the browser tests. Root of a machine with apt-get gets it installed; elsewhere, and when that fails, those tests are
 * skipped, loudly.
 * @param {string} root the checkout
 */
export async function ensureChromium(root) {
  if (findChromium(process.env) !== undefined) return;
  const isNamed = (process.env[CHROMIUM_VARIABLE] ?? '') !== ''; // a wrong path is not mended by another Chromium
  const aptGet = isNamed ? undefined : findOnPath('apt-get');
  if (aptGet !== undefined && process.getuid?.() === 0) await once(root, 'chromium', () => installChromium(aptGet));
  if (findChromium(process.env) === undefined) warnOfSkips(isNamed);
}

/**
 * For the tests of the PostgreSQL store, where the machine has none: real binaries, kept in this checkout's cache. No
 * dependency of the package, since npm refuses a whole install for one that is for other machines.
 * @param {string} root the checkout
 */
export async function ensurePostgres(root) {
  if (findPostgres(root, process.env) !== undefined) return;
  const home = join(root, POSTGRES_CACHE);
  const name = `${POSTGRES_PACKAGE}@${POSTGRES_VERSION}`;
  await once(root, 'postgres', async () => {
    if (findPostgres(root, process.env) !== undefined) return undefined;
    const making = `${home}.making`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    writeFileSync(join(making, 'package.json'), '{ "private": true }');
    const failed = await npm('PostgreSQL for the tests', making, ['install', name, '--prefix', making]);
    // Without it those tests are skipped, loudly.
    if (failed) return failed.signal === null ? undefined : failed;
    rmSync(home, { recursive: true, force: true });
    renameSync(making, home);
    return undefined;
  });
}

/**
 * @param {string} aptGet
 * @returns {Promise<End | undefined>} how this process is to end, if it was interrupted; a failure costs only the browser tests
 */
async function installChromium(aptGet) {
  if (findChromium(process.env) !== undefined) return undefined;
  const begun = Date.now();
  say('installing Chromium for the browser tests …');
  const wait = 'DPkg::Lock::Timeout=600'; // for another that installs just now, also one that an earlier run of ours left
  const quiet = ['-qq', '-o', wait, '-o', 'Dpkg::Use-Pty=0'];
  const options = /** @type {const} */ ({
    cwd: '/',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    output: 'stderr',
  });
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const end = await superviseForeign(aptGet, [...quiet, ...args], options);
    if (end.interrupted) return { code: null, signal: end.interrupted };
    // An update that failed may have left lists that are good enough: the install tells.
    if (end.code !== 0) say(`apt-get ${args[0]} ended with ${end.signal ?? end.code}`);
  }
  if (findChromium(process.env) !== undefined) say(`installed in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  return undefined;
}

/** @param {boolean} isNamed the variable names what is no program */
function warnOfSkips(isNamed) {
  const consequence = process.env['CI'] === 'true' ? 'which CI does not allow: this run will FAIL' : 'so they show nothing';
  say(`WARNING: there is no Chromium; the browser tests will be SKIPPED, ${consequence}.`);
  if (isNamed) say(`${CHROMIUM_VARIABLE} names no program: ${process.env[CHROMIUM_VARIABLE]}`);
  say(
    `Install Chromium or Google Chrome (Debian and Ubuntu: apt-get install chromium), or set ${CHROMIUM_VARIABLE} to its program.`,
  );
}

/**
 * @param {string} root
 * @param {string} node
 */
function stampOf(root, node) {
  const major = majorOf(node === process.execPath ? process.versions.node : PINNED_NODE); // one binary interface each
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(`${process.platform} ${process.arch} ${major}\n`).update(lockfile).digest('hex');
}

/**
 * @param {string} root
 * @param {string} name
 * @param {() => Promise<End | undefined>} work resolves to how this process is to end, if it failed
 */
async function once(root, name, work) {
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, `${name}.lock`);
  const failed = await withLock(lock, work, () => say(`another process is installing ${name}; waiting (${lock})`));
  if (failed) leaveLike(failed);
}

/**
 * @param {string} what for the person who waits
 * @param {string} cwd
 * @param {string[]} args
 * @returns {Promise<End | undefined>} how this process is to end, if it failed
 */
async function npm(what, cwd, args) {
  const begun = Date.now();
  say(`installing ${what} …`);
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  const end = await supervise(process.execPath, [findNpm(), ...args, ...quiet], { cwd, env: npmEnvironment(), output: 'stderr' });
  if (end.interrupted) return { code: null, signal: end.interrupted };
  if (end.code === 0) say(`installed in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  else say(`could not install ${what}: npm ${args[0]} ended with ${end.signal ?? end.code}`);
  return end.code === 0 ? undefined : end;
}

/** The npm that runs us, else the first on PATH; as a script, so that it can be put on the leash. */
function findNpm() {
  const { npm_execpath = '' } = process.env;
  const found = npm_execpath !== '' && existsSync(npm_execpath) ? npm_execpath : findOnPath('npm');
  if (found === undefined) {
    say('npm is needed and is not on PATH');
    process.exit(1);
  }
  const script = realpathSync(found);
  // Some packagers put a shell script there, with the real one beside it.
  const beside = join(dirname(script), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  return !script.endsWith('.js') && existsSync(beside) ? beside : script;
}

/** @param {string} name */
function findOnPath(name) {
  const { PATH = '' } = process.env;
  return PATH.split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** What an outer npm or the host says about omitting and prefixes is not for this install. */
function npmEnvironment() {
  const unwanted = /^(NODE_ENV|npm_(package|lifecycle)_.*|npm_config_(omit|include|only|production|global|.*prefix|dry_run))$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !unwanted.test(name)));
}

/** @param {string} version */
function majorOf(version) {
  return Number.parseInt(version, 10);
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`[setup] ${text}\n`);
}
