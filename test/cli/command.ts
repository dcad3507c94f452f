/** Runs the program as a person does: as a process of its own, in a folder of its own, with nothing of ours in its environment. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Dozens of processes load the same files, which `npm test` has compiled already. */
const COMPILE_CACHE = process.env['NODE_COMPILE_CACHE'] ?? fileURLToPath(new URL('../../.cache/compiled', import.meta.url));

export interface CommandEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly input?: string;
  /** Give the child an IPC channel, as the npm scripts do. */
  readonly hasChannel?: boolean;
}

/** A folder that goes with the test. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'ringback-test-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export class RunningCommand implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly end: Promise<CommandEnd>;
  #stderr = '';
  readonly #waiters = new Set<() => void>();

  constructor(args: readonly string[], options: CommandOptions = {}) {
    const { environment = {}, folder = tmpdir(), hasChannel = false } = options;
    const inherited = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE };
    const env = { ...inherited, TMPDIR: folder, NO_COLOR: '1', ...environment };
    const stdio = hasChannel ? (['pipe', 'pipe', 'pipe', 'ipc'] as const) : (['pipe', 'pipe', 'pipe'] as const);
    this.child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env, stdio: [...stdio] });
    this.child.stdin?.end(options.input ?? '');
    this.#follow();
    this.end = this.#ended().then(([code, signal]) => {
      return { code, signal, stdout: this.lines.map((line) => `${line}\n`).join(''), stderr: this.#stderr };
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits for a line on stdout. */
  async line(index = 0): Promise<string> {
    await this.until(() => this.lines.length > index, `line ${index} on stdout`);
    return this.lines[index] ?? '';
  }

  /** Waits until something is true of the output; fails when the command ends before. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    while (!isSo()) {
      const isGone = this.child.exitCode !== null || this.child.signalCode !== null;
      assert.ok(!isGone, `the command ended before ${what}; stderr: ${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.end;
  }

  #follow(): void {
    const { stdout, stderr } = this.child;
    assert.ok(stdout && stderr);
    createInterface({ input: stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr += chunk;
      this.#wake();
    });
    this.child.on('exit', () => this.#wake());
  }

  /** Not the event `close`, which does not come to a child whose channel was let go of. */
  async #ended(): Promise<readonly [number | null, NodeJS.Signals | null]> {
    const { stdout, stderr } = this.child;
    assert.ok(stdout && stderr);
    // A test may have destroyed one of them.
    const drained = Promise.allSettled([finished(stdout), finished(stderr)]);
    const [code, signal] = await once(this.child, 'exit');
    await drained;
    return [code, signal];
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}

/** Runs a command to its end. */
export async function run(args: readonly string[], options: CommandOptions = {}): Promise<CommandEnd> {
  await using command = new RunningCommand(args, options);
  return await command.end;
}
