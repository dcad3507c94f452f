/** TypeScript out of the documentation: in a folder of its own, checked as strictly as our sources, and imported from there. */
import { spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { ROOT } from './blocks.ts';

/** What `import … from 'ringback…'` means in a checkout, where nothing is built. */
const ENTRIES: Readonly<Record<string, string>> = {
  ringback: join(ROOT, 'src/index.ts'),
  'ringback/signalr': join(ROOT, 'src/signalr/index.ts'),
  'ringback/testing': join(ROOT, 'src/testing/index.ts'),
  'ringback/client': join(ROOT, 'src/client/index.ts'),
  'ringback/react': join(ROOT, 'src/react/index.ts'),
};

/** @param files by name, which may begin with the name of a folder */
export function writeSources(folder: string, files: Readonly<Record<string, string>>): void {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const [name, code] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${code}\n`);
  }
  const paths = Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, [path]]));
  const compilerOptions = { paths, lib: ['es2024', 'esnext.disposable', 'dom'], jsx: 'react-jsx' };
  const options = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['**/*.ts', '**/*.tsx'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
}

/** What the compiler finds wrong in the folder; an empty text where it finds nothing. */
export async function typeErrors(folder: string): Promise<string> {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const child = spawn(process.execPath, [compiler, '-p', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  return text(child.stdout);
}

/** Imports a file of the folder, as an app would that has the package installed. */
export async function load<Module>(folder: string, name: string): Promise<Module> {
  using _hooks = withDisposal(
    registerHooks({
      resolve: (specifier, context, next) => {
        const entry = ENTRIES[specifier];
        return next(entry === undefined ? specifier : pathToFileURL(entry).href, context);
      },
    }),
  );
  // Typed by what the caller then uses of it; the compiler has checked the file itself.
  const loaded: Module = await import(pathToFileURL(join(folder, name)).href);
  return loaded;
}

function withDisposal(hooks: { deregister(): void }): Disposable {
  return { [Symbol.dispose]: () => hooks.deregister() };
}
