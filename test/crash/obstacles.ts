/** Ways in which a running server can become unable to write its file, and able again. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerProcess } from '../fixtures/server.ts';

export interface Obstacle extends Disposable {
  /** Where the store's files are to be; nothing else is there. */
  readonly folder: string;
  /** From now on nothing can be written; some last bytes may still be. */
  block(server: ServerProcess): void;
  unblock(server: ServerProcess): void;
}

export interface ObstacleKind {
  readonly name: string;
  /** Undefined where this machine, or this user, cannot do it. @param parent a folder of the test's own */
  create(parent: string): Obstacle | undefined;
}

const DISK_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** A disk of memory; needs root. */
export class SmallDisk implements Obstacle {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static create(parent: string): SmallDisk | undefined {
    const folder = join(parent, 'disk');
    mkdirSync(folder);
    return ran('mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder) ? new SmallDisk(folder) : undefined;
  }

  /** Fills it to the last byte. */
  block(): void {
    const ballast = openSync(this.#ballast, 'w');
    try {
      for (let size = CHUNK_BYTES; size > 0; size = Math.floor(size / 2)) fill(ballast, Buffer.alloc(size, 1));
    } finally {
      closeSync(ballast);
    }
  }

  unblock(): void {
    rmSync(this.#ballast);
  }

  makeReadOnly(): void {
    run('mount', '-o', 'remount,ro', this.folder);
  }

  [Symbol.dispose](): void {
    run('umount', '--lazy', this.folder);
  }

  get #ballast(): string {
    return join(this.folder, 'ballast');
  }
}

/** The operating system refuses every write, as for a process over its quota; any user may set it. */
class NoFileSize implements Obstacle {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static create(parent: string): NoFileSize | undefined {
    return ran('prlimit', '--version') ? new NoFileSize(parent) : undefined;
  }

  block({ child }: ServerProcess): void {
    run('prlimit', '--pid', String(child.pid), '--fsize=0:');
  }

  unblock({ child }: ServerProcess): void {
    run('prlimit', '--pid', String(child.pid), '--fsize=unlimited:');
  }

  [Symbol.dispose](): void {}
}

/** Files that cannot be changed any more, though they are open; needs root, and a file system that knows it. */
class ReadOnlyFiles implements Obstacle {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static create(parent: string): ReadOnlyFiles | undefined {
    const probe = join(parent, 'probe');
    writeFileSync(probe, '');
    const open = openSync(probe, 'a');
    try {
      if (!ran('chattr', '+i', probe)) return undefined;
      const isRefused = !canWrite(open);
      run('chattr', '-i', probe);
      return isRefused ? new ReadOnlyFiles(parent) : undefined;
    } finally {
      closeSync(open);
      rmSync(probe);
    }
  }

  block(): void {
    for (const file of this.#files) run('chattr', '+i', file);
  }

  unblock(): void {
    for (const file of this.#files) run('chattr', '-i', file);
  }

  [Symbol.dispose](): void {
    this.unblock();
  }

  get #files(): readonly string[] {
    return readdirSync(this.folder)
      .filter((name) => name.startsWith('ringback.db'))
      .map((name) => join(this.folder, name));
  }
}

export const obstacles: readonly ObstacleKind[] = [
  { name: 'the disk is full', create: (parent) => SmallDisk.create(parent) },
  { name: 'the process may write no more', create: (parent) => NoFileSize.create(parent) },
  { name: 'the files have become read-only', create: (parent) => ReadOnlyFiles.create(parent) },
];

/** Node leaves this signal at its default, which ends the process, instead of failing the write. */
export const SURVIVE_LIMIT = `--import=data:text/javascript,process.on("SIGXFSZ",()=>{})`;

function fill(file: number, chunk: Uint8Array): void {
  while (canWrite(file, chunk));
}

function canWrite(file: number, chunk: Uint8Array = Buffer.from('x')): boolean {
  try {
    return writeSync(file, chunk) === chunk.length;
  } catch {
    return false;
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}

function ran(command: string, ...args: string[]): boolean {
  try {
    run(command, ...args);
    return true;
  } catch {
    return false;
  }
}
