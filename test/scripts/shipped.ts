/** The package as a user gets it: built, packed by `npm pack` in a copy of this checkout, installed into empty folders, on any Node. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What is in a checkout and not in git; packed by mistake it would be seen all the same, but it is large. */
const NOT_COPIED = new Set(['node_modules', '.git', '.cache', 'dist', 'data', 'coverage']);

/** What `npm pack --json` tells. */
export interface Packed {
  readonly filename: string;
  /** Bytes to download. */
  readonly size: number;
  /** Bytes on disk. */
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Runs a program with the Node at this path as the first on PATH. @throws AssertionError with its output when it fails */
export async function execute(node: string, cwd: string, program: readonly string[]): Promise<string> {
  const [file = node, ...args] = program;
  const { NODE_TEST_CONTEXT: _nested, PATH = '', ...env } = process.env;
  const child = spawn(file, args, {
    cwd,
    env: { ...env, PATH: [dirname(node), PATH].join(delimiter) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 90_000,
  });
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(await ended, 0, `${program.join(' ')}: ${stdout}\n${stderr}`);
  return stdout;
}

/** The npm that runs us, or the one on PATH, on the Node at this path. */
export function npm(node: string, cwd: string, ...args: string[]): Promise<string> {
  const { npm_execpath: script } = process.env;
  const program = script === undefined ? ['npm'] : [node, script];
  return execute(node, cwd, [...program, ...args, '--loglevel=error', '--no-audit', '--no-fund']);
}

/** A temporary folder: a copy of the checkout, what was packed there, and what was installed from that. */
export class Shipment implements AsyncDisposable {
  readonly #folder: string;
  readonly packed: Packed;

  private constructor(folder: string, packed: Packed) {
    this.#folder = folder;
    this.packed = packed;
  }

  /** Built here, packed there: the copy has no node_modules, and nothing that could install into ours ever runs. */
  static async pack(): Promise<Shipment> {
    const folder = await mkdtemp(join(tmpdir(), 'ringback-package-'));
    try {
      return new Shipment(folder, await packed(folder));
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** Installs it, and other packages by name, into an empty folder; resolves to that folder. */
  async install(node: string, name: string, ...others: string[]): Promise<string> {
    const app = join(this.#folder, name);
    await mkdir(app);
    const tarball = join(this.#folder, this.packed.filename);
    // In an empty folder npm looks for a project further up, and would install into whatever it finds there.
    const here = ['--prefix', app, '--ignore-scripts', '--engine-strict', '--prefer-offline'];
    await npm(node, app, 'install', ...here, tarball, ...others);
    return app;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

async function packed(folder: string): Promise<Packed> {
  const copy = join(folder, 'checkout');
  await mkdir(copy);
  const names = (await readdir(ROOT)).filter((name) => !NOT_COPIED.has(name));
  await Promise.all(names.map((name) => cp(join(ROOT, name), join(copy, name), { recursive: true })));
  await execute(process.execPath, ROOT, [process.execPath, 'scripts/build.mjs', '--out', join(copy, 'dist')]);
  const options = ['--json', '--ignore-scripts', '--pack-destination', folder];
  const [made]: Packed[] = JSON.parse(await npm(process.execPath, copy, 'pack', ...options));
  assert.ok(made);
  return made;
}
