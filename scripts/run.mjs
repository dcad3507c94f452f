/**
 * Everything `npm start`, `npm test` and the other npm scripts do, on a fresh clone too.
 *
 *   node scripts/run.mjs <task> [arguments]
 *
 * Not prestart / pretest: npm skips those when `ignore-scripts` is set, and one process has one signal path.
 */
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureChromium, ensureNode, ensurePackages, ensurePostgres } from './ensure.mjs';
import { leaveLike, supervise } from './supervise.mjs';
import { SERVER_FLAGS } from './server-flags.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** stderr is for our logs. */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

/** Quick first; the first that fails ends it. */
const CHECKS = [
  ['node_modules/oxfmt/bin/oxfmt', '--check'],
  ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings', '--report-unused-disable-directives'],
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.browser.json'],
  ['node_modules/typescript/bin/tsc', '-p', 'examples/tsconfig.json'],
  ['scripts/check-lockfile.mjs'],
];

const TEST_FLAGS = [
  '--test',
  '--test-concurrency=2',
  '--test-timeout=180000', // of one test; strict-reporter.mjs ends a file that does not end by itself
  '--test-reporter=./scripts/strict-reporter.mjs',
  '--test-reporter-destination=stderr',
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
];

/** A single file is quicker with what it needs itself. */
const ALL = ['--test-global-setup=test/fixtures/postgres-for-all.ts', 'test/**/*.test.ts'];

/** The pages of the demo; at once, when they are there. */
const UI = ['scripts/build-ui.mjs'];

/** @type {Record<string, (args: string[]) => string[][]>} task -> the Node programs that it runs, one after the other */
const TASKS = {
  start: (args) => [UI, [...SERVER_FLAGS, 'src/cli/main.ts', 'serve', '--demo', ...args]],
  ringback: (args) =>
    args[0] === 'serve' ? [UI, [...SERVER_FLAGS, 'src/cli/main.ts', ...args]] : [['src/cli/main.ts', ...args]],
  'conformance-server': (args) => [['test/fixtures/conformance/server.ts', ...args]],
  test: (args) => [...(args.length === 0 ? CHECKS : []), UI, test(args)],
  check: () => CHECKS,
  format: (args) => [['node_modules/oxfmt/bin/oxfmt', ...args]],
  example: ([name = '', ...args]) => [
    ['--conditions=ringback-source', `examples/${name.endsWith('.ts') ? name : `${name}/server.ts`}`, ...args],
  ],
  build: (args) => [['scripts/build.mjs', ...args]],
  bench: (args) => [['bench/main.ts', ...args]],
  chaos: (args) => [['test/chaos/main.ts', ...args]],
};

/** @param {string[]} args files, and flags for Node's test runner */
function test(args) {
  const files = args.filter((arg) => !arg.startsWith('-'));
  const flags = args.filter((arg) => arg.startsWith('-'));
  return [...TEST_FLAGS, ...flags, ...(files.length === 0 ? ALL : files)];
}

async function main() {
  const [name = '', ...args] = process.argv.slice(2);
  const task = Object.hasOwn(TASKS, name) ? TASKS[name] : undefined;
  if (task === undefined) {
    process.stderr.write(`unknown task ${JSON.stringify(name)}; there are: ${Object.keys(TASKS).join(', ')}\n`);
    process.exit(2);
  }
  leaveWithNpm();
  const node = await ensureNode(root);
  await ensurePackages(root, node);
  if (name === 'test') await ensureChromium(root);
  if (name === 'test' || name === 'chaos') await ensurePostgres(root);
  const { PATH = '', NODE_COMPILE_CACHE = join(root, '.cache', 'compiled') } = process.env;
  // Programs that ours start by name find the same Node; the cache halves the time to load our sources.
  const env = { ...process.env, NODE_COMPILE_CACHE, PATH: [dirname(node), PATH].join(delimiter) };
  const programs = task(args);
  for (const program of programs) {
    const end = await supervise(node, [...NODE_FLAGS, ...program], { cwd: root, env });
    if (end.code !== 0 || program === programs.at(-1)) leaveLike(end);
    if (end.interrupted) leaveLike({ code: null, signal: end.interrupted });
  }
}

/** `kill -9` of npm reaches nobody else: then we go too, and the leash takes the child along. */
function leaveWithNpm() {
  if (!('npm_lifecycle_event' in process.env)) return;
  const npm = process.ppid;
  setInterval(() => process.ppid === npm || process.exit(1), 250).unref();
}

await main();
