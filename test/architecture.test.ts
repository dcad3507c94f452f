/**
 * The layout rules of ARCHITECTURE.md, checked on the imports of every source file. `findings` is a plain function, so that
 * each rule is also shown to fire on a planted fault.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const MAX_LINES = 300;
const MAX_MEDIAN_LINES = 120;
const MAX_FILES_PER_FOLDER = 20;
const MAX_DEPTH = 2;

/** What each layer may import besides itself and the leaves. A folder that is not named here has no place yet. */
const LAYERS: Record<string, readonly string[]> = {
  '.': ['server', 'transactions', 'signalr', 'store', 'backplane', 'webhooks', 'azure'],
  cli: ['server', 'azure', 'client'],
  server: ['webhooks', 'transactions', 'signalr', 'signalr/mount', 'azure', 'store', 'backplane', 'postgres'],
  webhooks: ['transactions', 'store', 'backplane'],
  azure: ['signalr'],
  transactions: ['store', 'backplane'],
  backplane: ['store', 'postgres'],
  store: ['postgres'],
  postgres: [],
  signalr: ['signalr/mount', 'signalr/session', 'signalr/hub', 'signalr/transport', 'signalr/protocol'],
  'signalr/mount': [],
  'signalr/session': ['signalr/hub', 'signalr/transport', 'signalr/protocol'],
  'signalr/hub': ['signalr/transport', 'signalr/protocol'],
  'signalr/transport': ['signalr/protocol'],
  'signalr/protocol': [],
  client: [],
  react: ['client'],
  testing: ['signalr', 'signalr/hub', 'signalr/transport'],
  json: [],
};

/** Files that every layer may import. */
const LEAVES = [
  'src/clock.ts',
  'src/errors.ts',
  'src/folder.ts',
  'src/logger.ts',
  'src/options.ts',
  'src/random-text.ts',
  'src/json/',
];

/** The port of a layer; whatever else is in its folder is implementation, named only by what puts the parts together. */
const PORTS: Record<string, string> = {
  store: 'src/store/store.ts',
  backplane: 'src/backplane/backplane.ts',
  'signalr/transport': 'src/signalr/transport/connection.ts',
};
/** Files, and layers as a whole. */
const COMPOSITION_ROOTS = ['.', 'src/server/core.ts', 'testing', 'signalr'];

/** Packages and built-ins that a layer does without. */
const FOREIGN: Record<string, RegExp> = {
  transactions: /^(node:(http|https|http2|net|tls|sqlite)|fastify|@fastify\/.*|ws|pg|ioredis|@microsoft\/.*)$/,
  'signalr/protocol': /^(node:(http|https|http2|net|tls|timers|timers\/promises|fs|fs\/promises|worker_threads)|fastify|ws|pg)$/,
  'signalr/transport': /^(fastify|@fastify\/.*|node:sqlite|pg|ioredis|@microsoft\/.*)$/,
  'signalr/session': /^(fastify|@fastify\/.*|node:sqlite|pg|ioredis|@microsoft\/.*|ws)$/,
  'signalr/hub': /^(fastify|@fastify\/.*|node:sqlite|pg|ioredis|@microsoft\/.*|ws)$/,
  server: /^(node:sqlite|pg|ioredis)$/,
  client: /^node:/,
  react: /^node:/,
};

/** A source file: its path from the root, with slashes, and its text. */
interface Source {
  readonly path: string;
  readonly text: string;
}

function sourcesBelow(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** What a file imports, types and workers included: a path from the root, or the name of a package. */
function importsOf({ path, text }: Source): string[] {
  const code = text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const specifiers = [...code.matchAll(/\b(?:from|import|new URL)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => specifier);
  return specifiers.map((specifier) => (specifier.startsWith('.') ? posix.join(dirname(path), specifier) : specifier));
}

/** The most special layer that a path is in: `signalr/hub` before `signalr`. */
function layerOf(path: string): string {
  const folder = dirname(path).replace(/^src\/?/, '');
  const [top = '', second = ''] = folder.split('/');
  if (`${top}/${second}` in LAYERS) return `${top}/${second}`;
  return top === '' ? '.' : top;
}

function isLeaf(path: string): boolean {
  return LEAVES.some((leaf) => path.startsWith(leaf));
}

/** Why this import breaks the layout, or undefined. */
function importFinding(from: string, to: string): string | undefined {
  const layer = layerOf(from);
  if (!to.startsWith('src/')) return FOREIGN[layer]?.test(to) ? `${from}: ${layer} does without ${to}` : undefined;
  if (layer === 'signalr/protocol' && to === 'src/logger.ts') return `${from}: signalr/protocol is pure and logs nothing`;
  if (isLeaf(to)) return undefined;
  if (isLeaf(from)) return `${from}: a leaf imports only leaves, not ${to}`;
  const target = layerOf(to);
  if (target === layer) return undefined;
  if (!LAYERS[layer]?.includes(target)) return `${from}: ${layer} may not import ${target} (${to})`;
  const port = PORTS[target];
  if (port === undefined || port === to || COMPOSITION_ROOTS.some((root) => root === layer || root === from)) return undefined;
  return `${from}: ${to} is an implementation; only the composition root names it`;
}

/** Every file that takes part in a cycle of imports, each cycle as `a -> b -> a`. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (trail.includes(path) || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

/** Everything wrong with the layout of these files, one sentence each. */
function findings(sources: readonly Source[]): string[] {
  const graph = new Map(sources.map((source) => [source.path, importsOf(source)]));
  const found: string[] = [];
  for (const [path, imports] of graph) {
    if (!(layerOf(path) in LAYERS)) found.push(`${path}: there is no layer ${layerOf(path)}`);
    if (path.split('/').length - 2 > MAX_DEPTH) found.push(`${path}: deeper than ${MAX_DEPTH} folders`);
    if (/(\/(common|types|misc|service)|[/-](utils?|helpers?|manager|base))(\.ts|\/)/.test(path))
      found.push(`${path}: says nothing`);
    for (const to of imports) found.push(...[importFinding(path, to)].filter((finding) => finding !== undefined));
  }
  for (const { path, text } of sources) {
    const lines = text.split('\n').length - 1;
    if (lines > MAX_LINES) found.push(`${path}: ${lines} lines, at most ${MAX_LINES}`);
    if (!/^(#!.*\n)?\/(\*\*|\/)/.test(text)) found.push(`${path}: opens without a comment on what it owns`);
  }
  return [...found, ...cyclesOf(graph).map((cycle) => `cycle: ${cycle}`)];
}

const sources = sourcesBelow('src');

test('every source file is seen, with its imports', () => {
  const folders = new Set(sources.map(({ path }) => layerOf(path)));
  for (const layer of [
    '.',
    'backplane',
    'store',
    'transactions',
    'signalr/protocol',
    'signalr/transport',
    'signalr/hub',
    'signalr/session',
  ]) {
    assert.ok(folders.has(layer), `no file of ${layer} was seen`);
  }
  assert.ok(sources.length >= 30, `only ${sources.length} files were seen`);
  const imports = sources.flatMap(importsOf);
  assert.ok(imports.length >= 2 * sources.length, `only ${imports.length} imports were seen in ${sources.length} files`);
  for (const to of imports.filter((path) => path.startsWith('src/'))) {
    assert.ok(existsSync(join(ROOT, to)), `${to} is imported and does not exist`);
  }
});

test('every file is in its place and imports only what its layer may', () => {
  assert.deepEqual(findings(sources), []);
});

test('files are short and folders small', (t) => {
  const lengths = sources.map(({ text }) => text.split('\n').length - 1).sort((a, b) => a - b);
  const median = lengths[Math.floor(lengths.length / 2)] ?? Infinity;
  t.diagnostic(
    `${lengths.length} source files, ${lengths.reduce((sum, n) => sum + n, 0)} lines, median ${median}, longest ${lengths.at(-1)}`,
  );
  assert.ok(median <= MAX_MEDIAN_LINES, `the median file has ${median} lines`);
  const perFolder = Map.groupBy(sources, ({ path }) => dirname(path));
  for (const [folder, files] of perFolder)
    assert.ok(files.length <= MAX_FILES_PER_FOLDER, `${folder} holds ${files.length} files`);
});

const HEAD = '/** What it owns. */\n';
for (const [what, path, text, expected] of [
  [
    'a layer that imports one above it',
    'src/transactions/a.ts',
    "import { b } from '../signalr/index.ts';",
    /may not import signalr/,
  ],
  [
    'a type-only import the wrong way',
    'src/store/a.ts',
    "import type { B } from '../transactions/b.ts';",
    /may not import transactions/,
  ],
  [
    'a worker of another layer',
    'src/signalr/hub/a.ts',
    "new URL('../../store/worker.ts', import.meta.url);",
    /may not import store/,
  ],
  [
    'a dynamic import the wrong way',
    'src/signalr/transport/a.ts',
    "await import('../hub/hub.ts');",
    /may not import signalr\/hub/,
  ],
  ['an import over several lines', 'src/server/a.ts', "import {\n  b,\n  c,\n} from '../cli/b.ts';", /may not import cli/],
  ['a re-export the wrong way', 'src/backplane/a.ts', "export { b } from '../server/b.ts';", /may not import server/],
  [
    'an implementation outside the composition root',
    'src/transactions/a.ts',
    "import '../store/memory.ts';",
    /is an implementation/,
  ],
  ['one in another file of the same folder', 'src/server/a.ts', "import '../store/memory.ts';", /is an implementation/],
  ['a transport named by the hub', 'src/signalr/hub/a.ts', "import '../transport/websocket.ts';", /is an implementation/],
  ['SQL in the transactions', 'src/transactions/a.ts', "import 'node:sqlite';", /does without node:sqlite/],
  ['a socket in the protocol', 'src/signalr/protocol/a.ts', "import 'node:net';", /does without node:net/],
  ['a log line in the protocol', 'src/signalr/protocol/a.ts', "import '../../logger.ts';", /logs nothing/],
  ['a leaf that imports a layer', 'src/errors.ts', "import './store/store.ts';", /a leaf imports only leaves/],
  ['a browser file that imports server code', 'src/client/a.ts', "import '../server/b.ts';", /may not import server/],
  ['a file that imports itself', 'src/server/a.ts', "import './a.ts';", /^cycle: src\/server\/a\.ts -> src\/server\/a\.ts$/],
  ['an unknown folder', 'src/elsewhere/a.ts', '', /no layer elsewhere/],
  ['a deep folder', 'src/signalr/hub/deep/a.ts', '', /deeper than 2/],
  ['a name that says nothing', 'src/server/json-utils.ts', '', /says nothing/],
  ['a long file', 'src/server/a.ts', '\n'.repeat(MAX_LINES), /301 lines/],
] as const) {
  test(`${what} is found`, () => {
    const found = findings([{ path, text: HEAD + text }]);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', expected);
  });
}

test('a cycle over three files, and a missing opening comment, are found', () => {
  const ring = ['a', 'b', 'c'].map((name, i, all) => ({
    path: `src/server/${name}.ts`,
    text: `${HEAD}import './${all[(i + 1) % 3]}.ts';`,
  }));
  assert.deepEqual(findings(ring), ['cycle: src/server/a.ts -> src/server/b.ts -> src/server/c.ts -> src/server/a.ts']);
  assert.match(findings([{ path: 'src/server/a.ts', text: 'export const a = 1;' }]).join(), /opens without a comment/);
});

test('imports in comments are not imports', () => {
  const text = `${HEAD}/**\n * import { a } from '../cli/a.ts';\n */\n// import '../cli/b.ts';\n`;
  assert.deepEqual(importsOf({ path: 'src/server/a.ts', text }), []);
});

test('every subpath export and bin of the package is built from a source file', () => {
  const manifest: { exports: Record<string, string | Record<string, string>>; bin: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const built = [...Object.values(manifest.exports), manifest.bin].flatMap((entry) =>
    typeof entry === 'string' ? [] : Object.values(entry),
  );
  assert.ok(built.length >= 3);
  for (const path of built) {
    const source = path.replace(/^\.\/dist\//, 'src/').replace(/(\.d\.ts|\.js)$/, '.ts');
    assert.ok(existsSync(join(ROOT, source)), `${path} needs ${source}`);
  }
});
