/** An example as its README starts it: the same program and flags, on a free port, its data in a folder of the test. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { blocksOf } from '../docs/blocks.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

/** As `scripts/run.mjs` has it in its task `example`; `readmes.test.ts` compares them. */
export const FLAGS = ['--disable-warning=ExperimentalWarning', '--conditions=ringback-source'];

export class RunningExample implements AsyncDisposable {
  readonly url: string;
  /** What it printed, without the line that says where it is. */
  readonly printed: readonly string[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string, printed: readonly string[]) {
    this.#child = child;
    this.url = url;
    this.printed = printed;
  }

  /** @param name a folder with a `server.ts`, or a file @param lines that it prints at its start */
  static async start(name: string, folder: string, lines: number, environment: NodeJS.ProcessEnv = {}): Promise<RunningExample> {
    const child = spawn(process.execPath, [...FLAGS, `${EXAMPLES}${name.endsWith('.ts') ? name : `${name}/server.ts`}`], {
      cwd: folder,
      env: { ...process.env, PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const printed: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      if (printed.push(line) < lines) continue;
      const url = /^open (https?:\S+)$/u.exec(printed[0] ?? '')?.[1];
      assert.ok(url, `${name} printed ${printed.join('\n')}`);
      return new RunningExample(child, url, printed.slice(1));
    }
    throw new Error(`${name} ended before it listened: ${printed.join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** How an example ends that cannot start. */
export function failedStart(
  name: string,
  environment: NodeJS.ProcessEnv,
): { readonly status: number | null; readonly stderr: string } {
  const env = { ...process.env, PORT: '0', ...environment };
  return spawnSync(process.execPath, [...FLAGS, `${EXAMPLES}${name}/server.ts`], { env, encoding: 'utf8', timeout: 30_000 });
}

/** What a program of the examples prints: its name, and its arguments. */
export async function run(...[name, ...args]: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [...FLAGS, `${EXAMPLES}${name}`, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.equal(child.exitCode, 0, output);
  return output;
}

/** A block of an example's README, by its language and name. */
export function blockOf(name: string, block: string): string {
  const blocks = blocksOf(`examples/${name}/README.md`);
  const found = blocks.find(({ language, name: title }) => `${language} ${title}` === block);
  assert.ok(
    found,
    `examples/${name}/README.md has no block "${block}"; it has ${blocks.map((b) => `${b.language} ${b.name}`).join(', ')}`,
  );
  return found.code;
}
