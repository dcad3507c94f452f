import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const ENTRY = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url));
/** Of the client, minified and compressed, without the official client below it. */
const MAX_BYTES = 3 * 1024;

test('the browser client is at most 3 kB, uses nothing that a strict policy refuses, and imports only the official client', async (t) => {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      modulePreload: false,
      rolldownOptions: {
        input: ENTRY,
        external: ['@microsoft/signalr'],
        preserveEntrySignatures: 'strict',
        output: { minify: true },
      },
    },
  });
  const outputs = [result].flat().flatMap((built) => ('output' in built ? built.output : []));
  assert.equal(outputs.length, 1);
  const [output] = outputs;
  assert.ok(output?.type === 'chunk');
  assert.deepEqual([output.imports, output.exports], [['@microsoft/signalr'], ['openTransaction']]);
  assert.doesNotMatch(output.code, /\beval\b|\bFunction\(|innerHTML|import\(/u);
  const bytes = gzipSync(output.code, { level: 9 }).length;
  t.diagnostic(`${bytes} bytes compressed, ${output.code.length} before`);
  assert.ok(bytes > 1_000, 'something was bundled');
  assert.ok(bytes <= MAX_BYTES, `${bytes} bytes, at most ${MAX_BYTES}`);
});

test('importing the client touches no global', () => {
  const script = `
    const touched = [];
    for (const name of ['window', 'document', 'sessionStorage', 'navigator', 'addEventListener', 'location', 'fetch', 'setTimeout'])
      Object.defineProperty(globalThis, name, { configurable: true, get: () => { touched.push(name); return undefined; } });
    await import('@microsoft/signalr');
    touched.length = 0;
    await import(${JSON.stringify(new URL('../../src/client/index.ts', import.meta.url).href)});
    process.stdout.write(JSON.stringify(touched));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(stdout, '[]', stderr);
});
