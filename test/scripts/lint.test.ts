/** Plants one fault a rule where the rule must see it, so that a linter that looks at nothing cannot be green. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const lines = (count: number) => 'void 0;\n'.repeat(count);
const nested = (depth: number) => `${'if (Math.random()) {'.repeat(depth)}void 0;${'}'.repeat(depth)}`;
const branches = (count: number) => `export const f = (n: number) => { ${'if (n > 1) void 0;'.repeat(count)} };`;
const importOf = (from: string) => `import '${from}';`;

/** path, source, the rule that must fire (or none), and a word of its message. */
const PROBES: readonly (readonly [path: string, source: string, rule?: string, message?: string])[] = [
  ['src/clean.ts', 'export const clean = 1;\n'],
  ['src/long.ts', lines(301), 'max-lines'],
  ['src/long-function.ts', `export function f() {\n${lines(60)}}`, 'max-lines-per-function'],
  ['src/params.ts', 'export const f = (a: 1, b: 2, c: 3, d: 4) => [a, b, c, d];', 'max-params'],
  ['test/params.ts', 'export const f = (a: 1, b: 2, c: 3, d: 4) => [a, b, c, d];'],
  ['test/params-five.ts', 'export const f = (a: 1, b: 2, c: 3, d: 4, e: 5) => [a, b, c, d, e];', 'max-params'],
  ['src/depth.ts', nested(4), 'max-depth'],
  ['src/complexity.ts', branches(16), 'complexity'],
  ['src/console.ts', 'console.log(1);', 'no-console'],
  ['src/cli/console.ts', 'console.log(1);'],
  ['src/floating.ts', 'async function f() {}\nf();', 'no-floating-promises'],
  ['src/misused.ts', 'async function f() { return true; }\nif (f()) void 0;', 'no-misused-promises'],
  ['src/any.ts', 'export const f = (a: any) => void a;', 'no-explicit-any'],
  ['src/non-null.ts', 'export const f = (a: string | null) => a!.length;', 'no-non-null-assertion'],
  ['src/as.ts', 'export const f = (a: unknown) => a as string;', 'consistent-type-assertions'],
  ['src/as-const.ts', "export const f = ['a'] as const;"],
  ['src/type-import.ts', "import { A } from './types-of.ts';\nexport const f = (a: A) => a;", 'consistent-type-imports'],
  ['src/types-of.ts', 'export interface A { readonly a: 1 }'],
  ['src/todo.ts', '// TODO later\nvoid 0;', 'no-warning-comments'],
  ['src/throws.ts', "export const f = () => { throw 'text'; };", 'only-throw-error'],
  [
    'src/switches.ts',
    "export const f = (a: 'x' | 'y') => { switch (a) { case 'x': return 1; } };",
    'switch-exhaustiveness-check',
  ],
  ['src/CamelCase.ts', 'export const f = 1;', 'filename-case'],
  ['src/default.ts', 'export default 1;', 'no-default-export'],
  ['src/cycle-a.ts', "import { b } from './cycle-b.ts';\nexport const a = () => b;", 'no-cycle'],
  ['src/cycle-b.ts', "import { a } from './cycle-a.ts';\nexport const b = () => a;", 'no-cycle'],
  ['src/signalr/protocol/net.ts', importOf('node:net'), 'no-restricted-imports', 'no sockets'],
  ['src/signalr/protocol/up.ts', importOf('../hub/hub.ts'), 'no-restricted-imports', 'pure'],
  ['src/signalr/protocol/logs.ts', importOf('../../logger.ts'), 'no-restricted-imports', 'pure'],
  ['src/signalr/protocol/leaf.ts', importOf('../../clock.ts')],
  ['src/signalr/protocol/json-leaf.ts', importOf('../../json/json-text.ts')],
  ['src/signalr/hub/store.ts', importOf('../../store/store.ts'), 'no-restricted-imports', 'product of its own'],
  ['src/signalr/hub/down.ts', importOf('../protocol/json.ts')],
  ['src/transactions/hub.ts', importOf('../signalr/index.ts'), 'no-restricted-imports', 'knows nothing of SignalR'],
  ['src/transactions/http.ts', importOf('node:http'), 'no-restricted-imports', 'neither HTTP nor SQL'],
  ['src/transactions/sql.ts', importOf('node:sqlite'), 'no-restricted-imports', 'neither HTTP nor SQL'],
  ['src/transactions/memory.ts', importOf('../store/memory.ts'), 'no-restricted-imports', 'composition root'],
  ['src/transactions/port.ts', importOf('../store/store.ts')],
  ['src/store/up.ts', importOf('../transactions/mailbox.ts'), 'no-restricted-imports', 'never the other way'],
  ['src/leaf.ts', importOf('./server/server.ts'), 'no-restricted-imports', 'never the other way'],
];

interface Finding {
  readonly code: string;
  readonly filename: string;
  readonly text: string;
}

let findings: Finding[] = [];
let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringback-lint-'));
  for (const name of ['.oxlintrc.json', 'tsconfig.json']) cpSync(join(ROOT, name), join(folder, name));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const [path, source] of PROBES) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
  const oxlint = join(ROOT, 'node_modules', 'oxlint', 'bin', 'oxlint');
  const { stdout } = spawnSync(process.execPath, [oxlint, '--type-aware', '--format=json', 'src', 'test'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const report: { diagnostics: (Finding & { message: string; help?: string })[]; number_of_files: number } = JSON.parse(stdout);
  assert.equal(report.number_of_files, PROBES.length, 'the linter saw every probe');
  findings = report.diagnostics.map((one) => ({ ...one, text: `${one.message} ${one.help ?? ''}` }));
});

after(() => rmSync(folder, { recursive: true }));

for (const [path, , rule, message = ''] of PROBES) {
  test(rule === undefined ? `${path} is fine` : `${path} breaks ${rule}${message && `: ${message}`}`, () => {
    const found = findings.filter(({ filename }) => filename === path);
    if (rule === undefined) assert.deepEqual(found, []);
    else {
      const hit = found.find(({ code }) => code.endsWith(`(${rule})`));
      assert.ok(hit, `found only ${JSON.stringify(found)}`);
      assert.ok(hit.text.includes(message), hit.text);
    }
  });
}
