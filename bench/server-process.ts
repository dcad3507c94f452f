/** One server under test as a process: started, found by the line that it prints, ended with everything it left. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A server that has not said where it listens by then never will. */
const START_MS = 60_000;
const STOP_MS = 20_000;
const TALK_LENGTH = 4000;
const LISTENING = /listening on:? http:\/\/127\.0\.0\.1:(\d+)/i;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Removed when the server has ended. */
  readonly folder?: string;
  /** For those that ask for one. */
  readonly apiKey?: string;
  /** The line by which it says that it is there; its first group, if any, is the port. Default: where it listens. */
  readonly ready?: RegExp;
}

/** Servers, with the folders of theirs: never left behind, however this process ends, but for `kill -9`. */
const running = new Map<ChildProcess, string | undefined>();
process.on('exit', () => {
  for (const [child, folder] of running) {
    child.kill('SIGKILL');
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
});

export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  readonly apiKey: string;
  readonly #child: ChildProcess;
  readonly #folder: string | undefined;

  private constructor(child: ChildProcess, port: number, { apiKey = '', folder }: Program) {
    this.#child = child;
    this.port = port;
    this.pid = child.pid ?? 0;
    this.apiKey = apiKey;
    this.#folder = folder;
  }

  /**
   * Resolves when it has printed `… listening on http://127.0.0.1:<port>`, or what else the program says then.
   * @throws Error with what it said when it ends or is silent
   */
  static async start(program: Program): Promise<ServerProcess> {
    const { command, args, env, ready = LISTENING } = program;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_ENV: 'production', ...env },
    });
    running.set(child, program.folder);
    child.once('exit', () => running.delete(child));
    let talk = '';
    child.stderr.on('data', (text) => (talk = `${talk}${text}`.slice(-TALK_LENGTH)));
    const lines = createInterface({ input: child.stdout });
    const port = new Promise<number>((resolve) => {
      lines.on('line', (line) => {
        const found = ready.exec(line);
        if (found !== null) resolve(Number(found[1] ?? 0));
      });
    });
    const end = once(child, 'exit').then(([code]) => {
      throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${talk}`);
    });
    const silence = timeout(START_MS, `${command} ${args.join(' ')} did not say where it listens: ${talk}`);
    try {
      return new ServerProcess(child, await Promise.race([port, end, silence.promise]), program);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      silence.clear();
      end.catch(() => undefined);
    }
  }

  /** As a person stops it; it has the time to write what it owes. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** At once: nobody's figures are about the end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL');
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    const silence = timeout(STOP_MS, `the server ${this.pid} did not stop`);
    await Promise.race([exit, silence.promise]).finally(() => silence.clear());
  }
}

function timeout(ms: number, text: string): { readonly promise: Promise<never>; clear(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(text)), ms);
  promise.catch(() => undefined);
  return { promise, clear: () => clearTimeout(timer) };
}
