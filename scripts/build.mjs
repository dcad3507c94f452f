/** Emits dist/ for the package: ESM, type declarations, and the pages of the demo. `--out <folder>` puts it elsewhere, for tests. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildUi, ensureUi } from './build-ui.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const { values } = parseArgs({ options: { out: { type: 'string', default: dist } } });
const out = resolve(values.out);

// A file that was renamed must not stay in the package. The pages are another program's, which may be serving them.
for (const name of existsSync(out) ? readdirSync(out) : []) if (name !== 'ui') rmSync(join(out, name), { recursive: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', out], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
// Read as they are by the program, which finds them beside itself.
const migrations = join('postgres', 'migrations');
mkdirSync(join(out, migrations), { recursive: true });
for (const name of readdirSync(join(root, 'src', migrations)))
  copyFileSync(join(root, 'src', migrations, name), join(out, migrations, name));
if (status === 0) await (out === dist ? ensureUi() : buildUi(join(out, 'ui')));
