/** The generator of calls, seen from the harness: commands as calls. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endChild } from '../end-child.ts';
import { answerSchema, loadResultSchema, type Command, type Load, type LoadResult } from './commands.ts';

const MAIN = fileURLToPath(new URL('generator.ts', import.meta.url));
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32'];
/** By then something hangs, on this side or on the other. */
const PATIENCE_MS = 300_000;

export class CallGenerator implements AsyncDisposable {
  readonly #child: ChildProcess = fork(MAIN, { execArgv: NODE_FLAGS, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

  /** @throws Error when one cannot connect */
  async connect(connect: Omit<Extract<Command, { do: 'connect' }>, 'do'>): Promise<void> {
    await this.#ask({ do: 'connect', ...connect });
  }

  /** @throws Error when the server closes a connection */
  async load(load: Load): Promise<LoadResult> {
    return loadResultSchema.parse(await this.#ask({ do: 'load', ...load }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child);
  }

  async #ask(command: Command): Promise<unknown> {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const exit = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error(`the generator of calls ended during ${command.do}`);
    });
    exit.catch(() => undefined);
    try {
      const answer = once(this.#child, 'message', { signal });
      this.#child.send(command);
      const [message]: unknown[] = await Promise.race([answer, exit]);
      const parsed = answerSchema.parse(message);
      if ('failed' in parsed) throw new Error(parsed.failed);
      return parsed.done;
    } finally {
      end.abort();
    }
  }
}
