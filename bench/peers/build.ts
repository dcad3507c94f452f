/**
 * The package of a checkout, built from its sources as they are now, without the demo's pages. Kept by a hash of those sources:
 * two runs may be going on, and `dist/` is somebody else's.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PeerMissing } from './peer.ts';

/** Builds that old are of nobody's run. */
const OLD_MS = 86_400_000;

/** @returns the folder of the package. @throws PeerMissing when it cannot be built */
export async function builtPackage(checkout: string): Promise<string> {
  const builds = join(checkout, '.cache', 'bench');
  await mkdir(builds, { recursive: true });
  const built = join(builds, `ringback-${await hashOf(checkout)}`);
  if (existsSync(built)) return built;
  await removeOld(builds);
  const making = `${built}.making-${process.pid}`;
  await compile(checkout, making);
  // Another run may have been first; its build is the same.
  await rename(making, built).catch(() => rm(making, { recursive: true, force: true }));
  return built;
}

async function hashOf(checkout: string): Promise<string> {
  const names = await readdir(join(checkout, 'src'), { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const hash = createHash('sha256');
  for (const file of [join(checkout, 'package.json'), join(checkout, 'tsconfig.build.json'), ...files.toSorted()]) {
    hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 16);
}

async function compile(checkout: string, out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  await copyFile(join(checkout, 'package.json'), join(out, 'package.json'));
  await copyMigrations(checkout, out);
  const tsc = join(checkout, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(checkout, 'tsconfig.build.json'), '--outDir', join(out, 'dist')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let talk = '';
  child.stdout.on('data', (text) => (talk += String(text)));
  const [code]: unknown[] = await once(child, 'exit');
  if (code === 0) return;
  // A type that does not fit emits all the same, and somebody in the middle of a change wants to measure it.
  if (!existsSync(join(out, 'dist', 'cli', 'main.js')))
    throw new PeerMissing(`${checkout} cannot be built: ${talk.slice(0, 1000)}`);
  process.stderr.write(`${checkout} has type errors; measured as it is: ${talk.split('\n')[0]}\n`);
}

/** Which the program reads as they are; older checkouts have none. */
async function copyMigrations(checkout: string, out: string): Promise<void> {
  const folder = join('postgres', 'migrations');
  const source = join(checkout, 'src', folder);
  if (existsSync(source)) await cp(source, join(out, 'dist', folder), { recursive: true });
}

async function removeOld(builds: string): Promise<void> {
  for (const name of await readdir(builds)) {
    const path = join(builds, name);
    const { mtimeMs } = await stat(path);
    if (name.startsWith('ringback') && Date.now() - mtimeMs > OLD_MS) await rm(path, { recursive: true, force: true });
  }
}
