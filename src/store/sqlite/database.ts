/**
 * The one connection to the file of the store, with its lock: how it is opened, made current, checkpointed and opened
 * again after a fault. Knows nothing of what is in the tables.
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { canonicalPath, FileLock } from './lock.ts';
import { migrate } from './schema.ts';
import { integer } from './columns.ts';
import { whyNotOurs } from './identity.ts';
import { MAX_PAGES, PAGE_BYTES, Scrubber } from './scrubber.ts';

/**
 * The log is copied into the file when it has this many pages, 8 MiB. A page that changed many times is copied once, so that
 * a long log is cheaper; but while it is copied everybody waits: some 25 ms for this much, and four times as long for 32 MiB,
 * which costs a message no less. What it also costs is the time of the next start after a crash.
 */
const LOG_PAGES = 2048;

/**
 * Of a backlog that is being removed, the bytes are erased when the log has this many pages: those of a few slices together,
 * which is cheaper, and in some 15 ms, during which everybody waits.
 */
const ERASE_PAGES = 512;

/** Of the file: a small one is in the memory of the operating system anyway, and what is in ours counts for each connection. */
const CACHED_SHARE = 1 / 16;
const LEAST_CACHE_KIB = 4_096;
const MOST_CACHE_KIB = 65_536;

/** How long a reader in another process, such as somebody's shell, may hold up a checkpoint. */
const BUSY_MS = 1_000;

const SETTINGS = `
PRAGMA page_size = ${PAGE_BYTES};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
PRAGMA wal_autocheckpoint = 0;
PRAGMA max_page_count = ${MAX_PAGES};
`;

/** Why a file cannot be the store's. */
export interface Refusal {
  readonly kind: 'in_use' | 'not_ours';
  readonly reason: string;
}

export class Database implements Disposable {
  readonly #path: string;
  readonly #lock: FileLock;
  readonly #scrubber: Scrubber;
  #connection: DatabaseSync;
  #checkpointAtPages = LOG_PAGES;

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
    // SQLite would create it with the mode of the process's umask; the log and its index take the mode of this file.
    closeSync(openSync(path, 'a', 0o600));
    this.#scrubber = new Scrubber(path);
    try {
      this.#connection = connect(path);
    } catch (error) {
      this.#scrubber[Symbol.dispose]();
      throw error;
    }
  }

  /** Changes nothing in a file that it refuses. */
  static open(file: string): Database | Refusal {
    const path = canonicalPath(file);
    const lock = FileLock.take(path);
    if (lock === undefined) return { kind: 'in_use', reason: 'another process has it open' };
    try {
      const reason = whyNotOurs(path);
      if (reason === undefined) return new Database(path, lock);
      lock.undo();
      return { kind: 'not_ours', reason };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  get connection(): DatabaseSync {
    return this.#connection;
  }

  /** Takes a new connection if the present one does not even read any more. */
  renewIfBroken(): void {
    try {
      this.#connection.prepare('SELECT count(*) FROM transactions WHERE tx = 1').get();
    } catch {
      if (this.#connection.isOpen) this.#connection.close();
      this.#connection = connect(this.#path);
    }
  }

  /** Copies the log into the file once it has grown long. */
  checkpointIfLong(): void {
    if (!this.#scrubber.logHolds(this.#checkpointAtPages)) return;
    // Somebody who reads the database in another process holds it up: later then, rather than waiting here.
    this.#checkpointAtPages = this.#copyLog('PASSIVE') ? LOG_PAGES : this.#checkpointAtPages + LOG_PAGES;
  }

  /** Whether the log is so long that an erasure that can wait should be done now. */
  isErasureDue(): boolean {
    return this.#scrubber.logHolds(ERASE_PAGES);
  }

  /**
   * When it returns, what the last commits deleted is in no file any more: overwritten in the database, and the log empty.
   * Throws when a reader in another process or a full disk prevents that.
   */
  erase(): void {
    // Copied first and emptied later: should the process die before the scrubbing is durable, the next one does both again.
    if (!this.#copyLog('FULL') || !this.#checkpoint('TRUNCATE')) {
      throw new Error('another process reads the database and keeps its log from being emptied');
    }
    this.#checkpointAtPages = LOG_PAGES;
    if (this.#scrubber.cacheIsClean) return;
    this.#connection.exec('PRAGMA shrink_memory');
    this.#scrubber.cacheWasDropped();
  }

  [Symbol.dispose](): void {
    try {
      this.erase();
    } finally {
      if (this.#connection.isOpen) this.#connection.close();
      this.#scrubber[Symbol.dispose]();
      this.#lock[Symbol.dispose]();
    }
  }

  #copyLog(mode: 'PASSIVE' | 'FULL'): boolean {
    this.#scrubber.scan();
    const isComplete = this.#checkpoint(mode);
    if (!isComplete) return false;
    this.#scrubber.scrub();
    fitCache(this.#connection);
    return true;
  }

  /** Whether the whole log is in the file now. */
  #checkpoint(mode: 'PASSIVE' | 'FULL' | 'TRUNCATE'): boolean {
    const row = this.#connection.prepare(`PRAGMA wal_checkpoint(${mode})`).get() ?? {};
    return integer(row, 'busy') === 0 && integer(row, 'log') === integer(row, 'checkpointed');
  }
}

function connect(path: string): DatabaseSync {
  const connection = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    connection.exec(SETTINGS);
    migrate(connection);
    fitCache(connection);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function fitCache(connection: DatabaseSync): void {
  const pages = integer(connection.prepare('PRAGMA page_count').get() ?? {}, 'page_count');
  const kib = Math.round((pages * PAGE_BYTES * CACHED_SHARE) / 1024);
  connection.exec(`PRAGMA cache_size = -${Math.min(Math.max(kib, LEAST_CACHE_KIB), MOST_CACHE_KIB)}`);
}
