/** What a user gets: built, packed, installed into an empty folder on the newest and the oldest Node, imported and run. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { installNode } from '../../scripts/ensure.mjs';
import { execute, ROOT, Shipment, type Packed } from './shipped.ts';

interface Manifest {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifest: Manifest = JSON.parse(read('package.json'));
const subpaths = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'));
const specifiers = subpaths.map((path) => `ringback${path.slice(1)}`);
const OLDEST_NODE = `${/^>=(\d+\.\d+)$/.exec(manifest.engines.node)?.[1]}.0`;

let shipment: Shipment | undefined;
/** Two apps: this Node with React, and the oldest Node without. */
let apps: readonly { readonly name: string; readonly node: string; readonly folder: string }[] = [];

before(async () => {
  const [made, oldest] = await Promise.all([Shipment.pack(), installNode(ROOT, OLDEST_NODE, 'to try the package on')]);
  shipment = made;
  apps = [
    {
      name: process.version,
      node: process.execPath,
      folder: await made.install(process.execPath, 'newest', `react@${manifest.devDependencies['react']}`),
    },
    { name: `v${OLDEST_NODE}`, node: oldest, folder: await made.install(oldest, 'oldest') },
  ];
});
after(() => shipment?.[Symbol.asyncDispose]());

const installed = (path = ''): string => join(apps[0]?.folder ?? '', 'node_modules', 'ringback', path);
const packed = (): Packed => {
  assert.ok(shipment);
  return shipment.packed;
};
const shipped = (ending: RegExp): string[] => packed().files.flatMap(({ path }) => (ending.test(path) ? [path] : []));

test('the oldest Node that is tried is the oldest that is promised', async () => {
  const versions = await Promise.all(apps.map(({ node, folder }) => execute(node, folder, [node, '--version'])));
  assert.deepEqual(
    versions.map((version) => version.trim()),
    apps.map(({ name }) => name),
  );
  assert.equal(new Set(versions).size, 2);
});

test('npm pack and npm publish build first, and say so on stderr only', () => {
  assert.equal(manifest.scripts['prepack'], `${manifest.scripts['build']} >&2`);
});

test('the package holds two files for each source file, the migrations, the demo page, five documents, and nothing else', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  assert.ok(sources.length >= 80, `only ${sources.length} sources`);
  const built = sources.flatMap((name) => ['.js', '.d.ts'].map((ending) => `dist/${name.replace(/\.ts$/, ending)}`));
  const migrations = readdirSync(join(ROOT, 'src/postgres/migrations')).map((name) => `dist/postgres/migrations/${name}`);
  assert.ok(migrations.length >= 3 && migrations.every((path) => path.endsWith('.sql')), migrations.join());
  const page = shipped(/^dist\/ui\//);
  for (const path of page)
    assert.match(
      path,
      /^dist\/ui\/((index|provider)\.html|licenses\.md|assets\/[\w-]+\.(js|css|woff2|svg))$/,
      `${path} does not belong`,
    );
  assert.ok(page.includes('dist/ui/index.html'));
  const documents = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'PROTOCOL.md'];
  assert.deepEqual(shipped(/./).toSorted(), [...documents, ...built, ...migrations, ...page].toSorted());
});

test('no file of it points at a source map, at a source file, or at the machine that built it', () => {
  const texts = shipped(/\.(js|d\.ts|css|html)$/);
  assert.ok(texts.length >= 160);
  for (const path of texts) {
    const text = readFileSync(installed(path), 'utf8');
    assert.doesNotMatch(text, /[#@] ?sourceMappingURL/, path);
    // Declarations may: the compiler finds the declarations of a `.ts` beside it.
    if (path.endsWith('.js')) assert.doesNotMatch(text, /(from|import\(|new URL\() ?['"]\.[^'"]*\.ts['"]/, path);
    assert.ok(!text.includes(ROOT) && !text.includes('ringback-package-'), `${path} names a folder of the build`);
  }
});

/** What a module imports, statically or not, for its types or to run; relative paths left out. */
const IMPORTED =
  /^(?:import|export)\b[^'";=]*\bfrom ['"]([^.'"][^'"]*)['"]|^import ['"]([^.'"][^'"]*)['"]|\bimport\(['"]([^.'"][^'"]*)['"]\)/gm;

test('whatever it imports is installed with it, for types too', () => {
  const promised = new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), 'ringback']);
  const seen = new Set<string>();
  for (const path of shipped(/^dist\/(?!ui\/).*\.(js|d\.ts)$/)) {
    for (const [, from, bare, dynamic] of readFileSync(installed(path), 'utf8').matchAll(IMPORTED)) {
      const [scope = '', name = ''] = (from ?? bare ?? dynamic ?? '').split('/');
      const wanted = scope.startsWith('@') ? `${scope}/${name}` : scope;
      seen.add(wanted);
      assert.ok(isBuiltin(from ?? bare ?? dynamic ?? '') || promised.has(wanted), `${path} imports ${wanted}`);
    }
  }
  for (const name of promised) assert.ok(seen.has(name) || name === 'ringback', `nothing imports ${name}`);
});

test('the package is small, and the README tells how small', (t) => {
  const { size, unpackedSize, files } = packed();
  const kilo = Math.round(size / 1000);
  const mega = (unpackedSize / 1e6).toFixed(1);
  const largest = files.toSorted((a, b) => b.size - a.size).slice(0, 5);
  t.diagnostic(`${kilo} kB packed, ${mega} MB unpacked, ${files.length} files; the largest:`);
  for (const { path, size: bytes } of largest) t.diagnostic(`${path} ${Math.round(bytes / 1000)} kB`);
  const [, toldKilo = '', toldMega = ''] = /(\d+) kB packed, (\d+\.\d) MB unpacked/.exec(read('README.md')) ?? [];
  const isNear = (told: string, real: number): boolean => Math.abs(Number(told) - real) <= real / 10;
  assert.ok(
    isNear(toldKilo, kilo) && isNear(toldMega, unpackedSize / 1e6),
    `README.md has to say "${kilo} kB packed, ${mega} MB unpacked"`,
  );
  assert.ok(size <= 1_000_000, 'more than a megabyte to download');
});

test('every subpath can be imported on both, and required; the oldest does without React', async () => {
  assert.ok(specifiers.length >= 4);
  for (const { name, node, folder } of apps) {
    const hasReact = existsSync(join(folder, 'node_modules', 'react'));
    assert.equal(hasReact, node === process.execPath);
    const usable = specifiers.filter((specifier) => hasReact || specifier !== 'ringback/react');
    const lines = usable.map((one) => `Object.keys(await import('${one}')).length, Object.keys(require('${one}')).length`);
    writeFileSync(
      join(folder, 'use.mjs'),
      `const require = (await import('node:module')).createRequire(import.meta.url);
      console.log(JSON.stringify([${lines.join(', ')}]));`,
    );
    const counts: number[] = JSON.parse(await execute(node, folder, [node, 'use.mjs']));
    for (const [i, count] of counts.entries()) assert.ok(count > 0, `${usable[i >> 1]} exports nothing on ${name}`);
  }
});

test('nobody who installs it is led to our sources, whatever conditions they resolve with', async () => {
  assert.ok(!existsSync(installed('src')));
  const [app] = apps;
  assert.ok(app);
  writeFileSync(
    join(app.folder, 'resolve.mjs'),
    `console.log(JSON.stringify([${specifiers.map((one) => `import.meta.resolve('${one}')`).join(', ')}]));`,
  );
  for (const condition of ['default', 'browser', 'development', 'production', 'worker', 'module', 'source', 'typescript']) {
    const urls: string[] = JSON.parse(
      await execute(app.node, app.folder, [app.node, `--conditions=${condition}`, 'resolve.mjs']),
    );
    assert.equal(urls.length, specifiers.length);
    for (const url of urls) assert.match(url, /\/node_modules\/ringback\/dist\/.*\.js$/, condition);
  }
});

/** An app's back end and page; the faults that are expected show that the types are not `any`. */
const BACK_END = `
  import { createServer } from 'node:http';
  import { createRingback, type Ringback } from 'ringback';
  import * as signalr from 'ringback/signalr';
  export const ringback: Ringback = await createRingback({ store: 'memory:', authenticate: async (request) => {
    // @ts-expect-error no such member
    void request.nonsense;
    return null;
  } });
  const { id, accessToken, hubUrl } = await ringback.open({ reference: 'order-1' });
  export const opened: { id: string; accessToken: string; hubUrl: string } = { id, accessToken, hubUrl };
  // @ts-expect-error an id is a text
  export const wrong: number = id;
  ringback.mount(createServer());
  export { signalr };
`;
const PAGE = `
  import { openTransaction, type Message, type TransactionState } from 'ringback/client';
  import { useTransaction } from 'ringback/react';
  const opened = { id: 'txn_1', accessToken: 'secret', hubUrl: 'https://example.com/hub' };
  export const transaction = openTransaction(opened, { onMessage: (message) => message.sequence });
  export const state: TransactionState = transaction.state;
  // @ts-expect-error a state is one of nine words
  export const wrong: 'nonsense' = transaction.state;
  export const paid: Promise<Message> = transaction.waitFor('paid', { timeoutMs: 1000 });
  export function useLatest(): Message | undefined {
    return useTransaction(opened).latest('paid');
  }
`;

test('types resolve for both kinds of module resolution, a page needs none of Node’s, and they are no any', async () => {
  const [app] = apps;
  assert.ok(app);
  const types = join(app.folder, 'node_modules', '@types');
  for (const name of ['node', 'react']) {
    if (!existsSync(join(types, name))) {
      await execute(app.node, app.folder, ['mkdir', '-p', types]);
      symlinkSync(join(ROOT, 'node_modules', '@types', name), join(types, name));
    }
  }
  writeFileSync(join(app.folder, 'back-end.mts'), BACK_END);
  writeFileSync(join(app.folder, 'page.mts'), PAGE);
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const [module, resolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2024', '--module', module];
    const check = (...args: string[]): Promise<string> =>
      execute(app.node, app.folder, [app.node, tsc, ...flags, '--moduleResolution', resolution, ...args]);
    await check('--types', 'node', 'back-end.mts');
    await check('--types', 'react', '--lib', 'es2024,dom', 'page.mts');
  }
});

test('the bin of both serves a file, opens, sends, listens and stops', async () => {
  for (const { node, name, folder } of apps) {
    const bin = join(folder, 'node_modules', '.bin', 'ringback');
    assert.equal(await execute(node, folder, [bin, '--version']), `${manifest.version}\n`, name);
    const store = ['--store', `sqlite:${join(folder, 'ringback.db')}`];
    await using server = await serve(node, folder, [...store]);
    const at = ['--url', server.url];
    const opened: { id: string; accessToken: string } = JSON.parse(await execute(node, folder, [bin, 'open', ...at, ...store]));
    const sent = ['send', opened.id, '--type', 'paid', '--data', '{"amount":1}', ...at, ...store];
    assert.equal(JSON.parse(await execute(node, folder, [bin, ...sent])).sequence, 1);
    const heard = ['listen', opened.id, '--token', opened.accessToken, '--once', 'paid', ...at];
    assert.deepEqual(JSON.parse(await execute(node, folder, [bin, ...heard])).data, { amount: 1 });
    assert.equal(await server.stop(), 0);
  }
});

test('with --demo the bin of both shows the page, and whatever that asks for is there', async () => {
  for (const { node, folder } of apps) {
    await using server = await serve(node, folder, ['--store', 'memory:', '--demo']);
    const response = await fetch(server.url);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    const html = await response.text();
    const assets = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path);
    assert.ok(assets.some((path) => path.endsWith('.js')) && assets.some((path) => path.endsWith('.css')), html);
    for (const path of assets) assert.equal((await fetch(server.url + path)).status, 200, path);
    assert.equal(await server.stop(), 0);
  }
});

interface Serving extends AsyncDisposable {
  readonly url: string;
  /** The exit code. */
  stop(): Promise<unknown>;
}

async function serve(node: string, folder: string, args: readonly string[]): Promise<Serving> {
  const program = join(folder, 'node_modules', 'ringback', 'dist', 'cli', 'main.js');
  const child = spawn(node, [program, 'serve', '--port', '0', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  const [line]: Buffer[] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) });
  const [, url] = /^ringback listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(String(line)) ?? [];
  assert.ok(url, String(line));
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
