/** The script of a page, bundled when its server starts. A site with a build step runs `vite build` there, and serves the files. */
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export async function bundle(entry: URL): Promise<string> {
  const built = await build({
    root: fileURLToPath(new URL('.', import.meta.url)),
    logLevel: 'warn',
    build: { write: false, rolldownOptions: { input: fileURLToPath(entry) } },
  });
  if (!('output' in built)) throw new Error('the build gave no single bundle');
  return built.output[0].code;
}
