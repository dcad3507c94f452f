/**
 * One place in the cluster: the process that runs there, started again after each end, with its own way to the database and
 * its own idea of the time.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ServerProcess } from '../fixtures/server.ts';
import type { DatabaseProxy } from './database-proxy.ts';
import type { InstanceNote } from './history.ts';

const CLOCK = new URL('./clock.ts', import.meta.url).href;
const RETRY_MS = 300;
const DRAIN_SECONDS = 4;
/** After what happened to its database. */
const RECOVERY_MS = 8_000;

export interface InstanceOptions {
  readonly name: string;
  readonly database: DatabaseProxy;
  /** How wrong its clock is. */
  readonly clockMs: number;
  readonly publicUrl: string;
  readonly configurationFile: string;
  /** A folder for its compiled code, so that starting is quick. */
  readonly cache: string;
  /** Its whole log is written here. */
  readonly logFile?: string | undefined;
  /** It cannot reach its database just now. */
  readonly isDisturbed: () => boolean;
  /** It accepts connections there. */
  readonly onUp: (url: string) => void;
}

export class Instance implements AsyncDisposable {
  readonly note: InstanceNote;
  readonly database: DatabaseProxy;
  /** When it last died, or was away, or lost its database; of `performance.now()`. */
  lastTroubleAt = -Infinity;
  starts = 0;
  longestStartMs = 0;
  /** Starts that gave up, since the database was away. */
  failedStarts = 0;
  readonly #options: InstanceOptions;
  #process: ServerProcess | undefined;
  /** Its end is asked for. */
  #isEnding = false;
  #isDisposed = false;
  #acts: Promise<void> = Promise.resolve();
  #busy = 0;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.note = { name: options.name, crashes: [], errors: [] };
    this.database = options.database;
    process.once('exit', () => this.#process?.child.kill('SIGKILL'));
  }

  /** After what it is at. */
  start(): Promise<void> {
    return this.#after(() => this.#start());
  }

  /** It is about to start, or to end, or frozen. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  kill(downMs: number): Promise<void> {
    return this.#after(() => this.#end('SIGKILL', downMs));
  }

  /** As in a rolling restart. */
  stop(downMs: number): Promise<void> {
    return this.#after(() => this.#end('SIGTERM', downMs));
  }

  /** It does nothing for a while, and then goes on as if nothing had been. */
  freeze(forMs: number): Promise<void> {
    return this.#after(async () => {
      this.#process?.child.kill('SIGSTOP');
      await setTimeout(forMs);
      this.#process?.child.kill('SIGCONT');
      this.trouble();
    });
  }

  trouble(): void {
    this.lastTroubleAt = performance.now();
  }

  /** Nothing is under way any more. */
  async rest(): Promise<void> {
    await this.#acts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#acts;
    this.#isEnding = true;
    await this.#process?.stop('SIGKILL');
    this.#read();
  }

  #after(act: () => Promise<void>): Promise<void> {
    this.#busy++;
    this.#acts = this.#acts.then(act).finally(() => this.#busy--);
    return this.#acts;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM', downMs: number): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    this.#isEnding = true;
    const wasDisturbed = this.#options.isDisturbed() || performance.now() - this.lastTroubleAt < RECOVERY_MS;
    const begunAt = performance.now();
    const end = await running.stop(signal);
    // Who cannot reach the database cannot say there what else there is to say, and says so.
    const mayHang = signal === 'SIGTERM' && (wasDisturbed || this.#options.isDisturbed() || this.lastTroubleAt > begunAt);
    this.trouble();
    const isOrderly = end === (signal === 'SIGTERM' ? 0 : signal);
    if (!isOrderly && !(mayHang && end === 1)) this.note.crashes.push(`ended with ${end} after ${signal}`);
    this.#read(mayHang ? '"event":"process.drain_hung"' : undefined);
    await setTimeout(downMs);
    await this.#start();
  }

  /** As a supervisor does: until it runs. Without its database it may not. */
  async #start(): Promise<void> {
    const { database, clockMs, publicUrl, configurationFile, cache, onUp } = this.#options;
    const args = ['--port', '0', '--store', database.url, '--public-url', publicUrl, '--config', configurationFile];
    args.push('--drain-seconds', String(DRAIN_SECONDS));
    this.#isEnding = false;
    while (!this.#isDisposed) {
      const begunAt = performance.now();
      try {
        const started = await ServerProcess.start({
          args,
          nodeArgs: [`--import=${CLOCK}`],
          env: { CHAOS_CLOCK_MS: String(clockMs), NODE_COMPILE_CACHE: cache },
        });
        this.#process = started;
        this.starts++;
        this.longestStartMs = Math.max(this.longestStartMs, performance.now() - begunAt);
        void this.#watch(started);
        return onUp(started.url);
      } catch (error) {
        const text = String(error);
        if (!/^Error: ended with 1: .*PostgreSQL/s.test(text)) this.note.crashes.push(`did not start: ${text}`);
        this.failedStarts++;
        await setTimeout(RETRY_MS);
      }
    }
  }

  async #watch(running: ServerProcess): Promise<void> {
    const end = await running.ended();
    if (this.#isEnding || this.#process !== running) return;
    this.note.crashes.push(`ended by itself with ${end}: ${running.stderr.slice(-2_000)}`);
    this.#read();
    void this.start();
  }

  /** What its process has said, after its end. @param expected is no fault in it */
  #read(expected?: string): void {
    const { stderr = '' } = this.#process ?? {};
    const { logFile } = this.#options;
    if (logFile !== undefined) appendFileSync(logFile, stderr);
    const errors = stderr.split('\n').filter((line) => line.includes('"level":"error"'));
    this.note.errors.push(...errors.filter((line) => expected === undefined || !line.includes(expected)));
    this.#process = undefined;
  }
}
