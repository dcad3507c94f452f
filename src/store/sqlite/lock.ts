/**
 * One process per file, by a lock that dies with its holder: an exclusive transaction on a SQLite file beside the store's,
 * so that the operating system's file locks decide, and no stale file ever has to be judged.
 *
 * Nothing here may open and close the lock file by other means than SQLite: closing any descriptor of it would drop the
 * locks that this process has on it.
 */
import { linkSync, lstatSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../folder.ts';
import { BUSY, codeOf } from './faults.ts';

/** One name for a file, however many links lead to it. Makes its folder where that is missing. */
export function canonicalPath(file: string): string {
  const absolute = resolve(file);
  makeFolder(dirname(absolute));
  const inFolder = join(realpathSync(dirname(absolute)), basename(absolute));
  const entry = lstatSync(inFolder, { throwIfNoEntry: false });
  // Followed by hand, since the last link may lead to a file that does not exist yet.
  return entry?.isSymbolicLink() === true ? canonicalPath(resolve(dirname(inFolder), readlinkSync(inFolder))) : inFolder;
}

export class FileLock implements Disposable {
  readonly #file: string;
  readonly #isNew: boolean;
  readonly #database: DatabaseSync;

  private constructor(file: string, isNew: boolean, database: DatabaseSync) {
    this.#file = file;
    this.#isNew = isNew;
    this.#database = database;
  }

  /** @returns undefined at once when somebody else holds it. @param path of the store's file, canonical */
  static take(path: string): FileLock | undefined {
    const file = `${path}.lock`;
    const isNew = createPrivately(file);
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new FileLock(file, isNew, database);
    } catch (error) {
      database.close();
      if (codeOf(error) === BUSY) return undefined;
      throw error;
    }
  }

  /** For a file that turned out not to be ours: leaves nothing beside it that was not there. */
  undo(): void {
    this.#database.close();
    if (this.#isNew) rmSync(this.#file);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Creates an empty file of mode 0600, whole at once: a link to one that is closed already, so that no lock is lost. */
function createPrivately(file: string): boolean {
  if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) return false;
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, '', { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) throw error;
    return false;
  } finally {
    rmSync(draft);
  }
}
