/** What the tests of the SQLite store share: a folder with a store, and processes that have one. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { silentLogger, type Logger } from '../../src/logger.ts';
import { SqliteStore } from '../../src/store/sqlite/sqlite.ts';
import type { IncomingEvent, NewMessage, NewTransaction, StoreLimits } from '../../src/store/store.ts';
import { ManualClock } from '../fixtures/manual-clock.ts';

export const LIMITS: StoreLimits = {
  openTransactions: 100_000,
  messagesPerTransaction: 100_000,
  mailboxBytes: 1e9,
  retentionMs: 1e9,
  parkedMessages: 100_000,
  parkMs: 1e9,
  dedupeMs: 1e9,
};

export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'ringback-sqlite-'));

  file(name = 'store.db'): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface OpenOptions {
  readonly clock?: ManualClock;
  readonly limits?: Partial<StoreLimits>;
  readonly logger?: Logger;
}

/** Its clock stands still, at the time of the processes. */
export function openStore(
  file: string,
  { clock = new ManualClock(Date.now()), limits = {}, logger = silentLogger }: OpenOptions = {},
): Promise<SqliteStore> {
  return SqliteStore.open({ file, limits: { ...LIMITS, ...limits }, clock, logger });
}

export function transaction(id: string, more: Partial<NewTransaction> = {}): NewTransaction {
  return { id, ttlMs: 1e9, token: { id: 'token', hash: `hash-${id}` }, ...more };
}

export function message(transactionId: string, id: string, data = '1'): NewMessage {
  return { transactionId, id, type: 'note', data };
}

/** One whose hash and message have its name. */
export function event(name: string, reference: string, more: Partial<IncomingEvent> = {}): IncomingEvent {
  const id = `message-${name}`;
  return { source: 'acme', eventHash: `event-${name}`, recipient: { reference }, id, type: 'paid', data: '1', ...more };
}

/**
 * Every byte of every file in a folder but lock files. Read by a process of its own: to open and close a file of a store in
 * this process would drop the store's locks on it.
 */
export function bytesOf(folder: string): string {
  const files = readdirSync(folder).filter((name) => !name.endsWith('.lock'));
  return execFileSync(
    'cat',
    files.map((name) => join(folder, name)),
    { maxBuffer: 1e9, encoding: 'latin1' },
  );
}

export type Line = Readonly<Record<string, unknown>>;

export interface ProcessOptions {
  readonly script: 'hold' | 'batch' | 'group' | 'receive' | 'restart' | 'fill';
  readonly probe?: { readonly at: string; readonly action: 'kill' | 'exit' };
  /** A command that runs the process, such as one that limits it. */
  readonly under?: readonly string[];
}

/** A process with a store on a file; see `sqlite-process.ts`. */
export class StoreProcess implements AsyncDisposable {
  readonly lines: Line[] = [];
  readonly #child;
  readonly #trace: string;
  readonly #ended: Promise<void>;
  readonly #waiting = new Set<() => void>();

  constructor(file: string, { script, probe, under = [] }: ProcessOptions) {
    this.#trace = `${file}.trace`;
    const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
    const node = [
      process.execPath,
      '--import',
      new URL('sqlite-probe.ts', import.meta.url).href,
      here('sqlite-process.ts'),
      file,
      script,
    ];
    const [program = process.execPath, ...parameters] = under.concat(node);
    const env = { ...process.env, PROBE_TRACE: this.#trace, PROBE_AT: probe?.at ?? '', PROBE_ACTION: probe?.action ?? '' };
    this.#child = spawn(program, parameters, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout).on('line', (line) => {
      const parsed: Line = JSON.parse(line);
      this.lines.push(parsed);
      for (const look of this.#waiting) look();
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get signal(): string | null {
    return this.#child.signalCode;
  }

  /** The points that the worker came by. */
  get trace(): readonly Line[] {
    if (!existsSync(this.#trace)) return [];
    return readFileSync(this.#trace, 'utf8')
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line));
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    return this.#ended;
  }

  go(): void {
    this.#child.stdin.end('go\n');
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  /** Resolves with the first line that has this field; rejects when the process ends without. */
  line(field: string): Promise<Line> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.lines.find((line) => field in line);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
      void this.#ended.then(() => reject(new Error(`ended without ${field}: ${JSON.stringify(this.lines)}`)));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
