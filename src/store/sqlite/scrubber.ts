/**
 * Removes what SQLite forgets to. With `secure_delete` it overwrites what is deleted, but when it rebalances a B-tree page
 * it moves cells and leaves their old bytes in the page's unallocated space, where no later delete finds them. Such space
 * is overwritten here, in the database file itself.
 *
 * Every page that changes goes through the write-ahead log, so the log tells which pages have such bytes. Nothing reads
 * unallocated space, so a write that is torn or lost does no harm, and the log is kept until the overwriting is durable.
 *
 * @see https://sqlite.org/fileformat2.html "B-tree Pages", "The Write-Ahead Log"
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

export const PAGE_BYTES = 4096;

/**
 * The most pages a file may have. The first byte of a B-tree page tells its kind, 2 at least; that of an overflow or
 * freelist page is the highest byte of a page number. Below this many pages it is 0 or 1, so that the two cannot be mixed up.
 */
export const MAX_PAGES = 0x01ff_ffff;

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const FRAMES_PER_READ = 64;
const KINDS_OF_TREE_PAGE: ReadonlySet<number> = new Set([2, 5, 10, 13]);
const LAST_INTERIOR_KIND = 5;
/** The first page begins with the header of the file. */
const FILE_HEADER_BYTES = 100;
const ZEROS = Buffer.alloc(PAGE_BYTES);

export class Scrubber implements Disposable {
  readonly #file: number;
  readonly #log: string;
  readonly #frames = Buffer.alloc(FRAMES_PER_READ * FRAME_BYTES);
  readonly #logHeader = Buffer.alloc(LOG_HEADER_BYTES);
  readonly #frameHeader = Buffer.alloc(FRAME_HEADER_BYTES);
  #logFile: number | undefined;
  readonly #unclean = new Set<number>();
  #cacheIsClean = true;

  /**
   * Holds descriptors of the files of the database until it is disposed of, which must be after every connection of this
   * process to them is closed: closing any descriptor drops the process's file locks.
   */
  constructor(path: string) {
    this.#file = openSync(path, 'r+');
    this.#log = `${path}-wal`;
  }

  /** False when SQLite's page cache may hold bytes that were removed from the file, and would write them again. */
  get cacheIsClean(): boolean {
    return this.#cacheIsClean;
  }

  cacheWasDropped(): void {
    this.#cacheIsClean = true;
  }

  /** Whether the log has at least this many frames, each of one page. */
  logHolds(frames: number): boolean {
    const log = this.#openLog();
    if (log === undefined || readSync(log, this.#logHeader, 0, LOG_HEADER_BYTES, 0) < LOG_HEADER_BYTES) return false;
    const start = LOG_HEADER_BYTES + (frames - 1) * FRAME_BYTES;
    if (readSync(log, this.#frameHeader, 0, FRAME_HEADER_BYTES, start) < FRAME_HEADER_BYTES) return false;
    return this.#isCurrent(this.#frameHeader, 0);
  }

  /** Notes the pages that need it, in the log as it is now. Must be called before any checkpoint. */
  scan(): void {
    const log = this.#openLog();
    if (log === undefined || readSync(log, this.#logHeader, 0, LOG_HEADER_BYTES, 0) < LOG_HEADER_BYTES) return;
    let position = LOG_HEADER_BYTES;
    for (;;) {
      const bytes = readSync(log, this.#frames, 0, this.#frames.length, position);
      // Frames of a transaction that was rolled back are looked at too; that costs nothing but a second look at the page.
      for (let start = 0; start + FRAME_BYTES <= bytes; start += FRAME_BYTES) {
        if (!this.#isCurrent(this.#frames, start)) return;
        this.#note(this.#frames.readUInt32BE(start), this.#frames.subarray(start + FRAME_HEADER_BYTES, start + FRAME_BYTES));
      }
      if (bytes < this.#frames.length) return;
      position += bytes;
    }
  }

  /** Overwrites what was noted. To be called when a checkpoint has copied the whole log; durable when it returns. */
  scrub(): void {
    if (this.#unclean.size === 0) return;
    const page = Buffer.alloc(PAGE_BYTES);
    for (const number of this.#unclean) {
      const start = (number - 1) * PAGE_BYTES;
      if (readSync(this.#file, page, 0, PAGE_BYTES, start) < PAGE_BYTES) continue;
      const gap = gapOf(page, number);
      if (gap !== undefined)
        writeSync(this.#file, page.fill(0, gap.start, gap.end), gap.start, gap.end - gap.start, start + gap.start);
    }
    fsyncSync(this.#file);
    this.#unclean.clear();
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (this.#logFile !== undefined) closeSync(this.#logFile);
  }

  /** Opened late, since SQLite makes it with the first write. Undefined: there is none. */
  #openLog(): number | undefined {
    if (this.#logFile === undefined && existsSync(this.#log)) this.#logFile = openSync(this.#log, 'r');
    return this.#logFile;
  }

  /** Whether a frame is from after the log was last started anew, by the salts that it shares with the log's header. */
  #isCurrent(frames: Buffer, start: number): boolean {
    return frames.compare(this.#logHeader, 16, 24, start + 8, start + 16) === 0;
  }

  #note(number: number, page: Buffer): void {
    const gap = gapOf(page, number);
    if (gap === undefined || page.subarray(gap.start, gap.end).equals(ZEROS.subarray(gap.start, gap.end))) return;
    this.#unclean.add(number);
    this.#cacheIsClean = false;
  }
}

/** The unallocated space of a B-tree page, between the array of cell pointers and the cells. */
function gapOf(page: Buffer, number: number): { readonly start: number; readonly end: number } | undefined {
  const header = number === 1 ? FILE_HEADER_BYTES : 0;
  const kind = page.readUInt8(header);
  if (!KINDS_OF_TREE_PAGE.has(kind)) return undefined;
  const pointers = header + (kind <= LAST_INTERIOR_KIND ? 12 : 8);
  const start = pointers + 2 * page.readUInt16BE(header + 3);
  const end = page.readUInt16BE(header + 5);
  return start < end && end <= PAGE_BYTES ? { start, end } : undefined;
}
