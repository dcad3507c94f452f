/** The load generator, seen from the harness: commands as calls. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Deployment } from './deployment.ts';
import type { DialectName } from './dialects/index.ts';
import { endChild } from './end-child.ts';
import {
  answerSchema,
  connectResultSchema,
  countResultSchema,
  loadResultSchema,
  type Command,
  type ConnectResult,
  type CountResult,
  type LoadResult,
} from './generator/commands.ts';

const MAIN = fileURLToPath(new URL('generator/main.ts', import.meta.url));
/** Enough that its own collections are short and rare. */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32'];

const LONGEST_COMMAND_MS = 600_000;

export interface Manner {
  readonly dialect: DialectName;
  /** What has not come so long after a load is lost. */
  readonly graceMs: number;
}

export class GeneratorProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #failure: Error | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    // What fails between two commands, such as a connection that is closed, fails the next one.
    child.on('message', (message) => {
      const answer = answerSchema.parse(message);
      if ('failed' in answer) this.#failure ??= new Error(answer.failed);
    });
  }

  static async start(servers: Deployment, { dialect, graceMs }: Manner): Promise<GeneratorProcess> {
    const child = fork(MAIN, { execArgv: NODE_FLAGS, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const generator = new GeneratorProcess(child);
    try {
      const { pagePorts: ports, postPorts, apiKey, isElsewhere } = servers;
      await generator.#ask({ do: 'meet', dialect, graceMs, ports: [...ports], postPorts: [...postPorts], isElsewhere, apiKey });
      return generator;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws Error when one cannot connect */
  async connect(count: number, atOnce: number): Promise<ConnectResult> {
    return connectResultSchema.parse(await this.#ask({ do: 'connect', count, atOnce }));
  }

  /** @throws Error when the server closes a connection */
  async load(load: Omit<Extract<Command, { do: 'load' }>, 'do'>): Promise<LoadResult> {
    return loadResultSchema.parse(await this.#ask({ do: 'load', ...load }));
  }

  async count(): Promise<CountResult> {
    return countResultSchema.parse(await this.#ask({ do: 'count' }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child);
  }

  async #ask(command: Command): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    const ended = new AbortController();
    const limit = AbortSignal.timeout(limitMsOf(command));
    const signal = AbortSignal.any([ended.signal, limit]);
    try {
      const answer = once(this.#child, 'message', { signal });
      const exit = once(this.#child, 'exit', { signal: ended.signal }).then(() => {
        throw new Error(`the load generator ended during ${command.do}`);
      });
      exit.catch(() => undefined);
      this.#child.send(command);
      const [message]: unknown[] = await Promise.race([answer, exit]);
      const parsed = answerSchema.parse(message);
      if ('failed' in parsed) throw new Error(parsed.failed);
      return parsed.done;
    } catch (error) {
      throw limit.aborted ? new Error(`${command.do} did not end in ${limitMsOf(command)} ms`, { cause: error }) : error;
    } finally {
      ended.abort();
    }
  }
}

/** By then something hangs, on this side or on the other. */
function limitMsOf(command: Command): number {
  return LONGEST_COMMAND_MS + (command.do === 'load' ? 3 * command.ms : 0);
}
