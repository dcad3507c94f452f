/**
 * The rhythm of what may be written later: noted now under a key, written a moment after together with what was noted under
 * others, and again until it succeeds. Of one key there is one write at a time, and none waits for that of another. What is
 * noted, and what it means to write it, the owner knows.
 */
import type { Clock, Timer } from '../clock.ts';

export interface WriteBehindOptions {
  readonly clock: Clock;
  /** How long something noted may wait for company. */
  readonly delayMs: number;
  /** Takes everything that is noted under the key at the time of the call and writes it; when it rejects, it has put all back. */
  readonly write: (key: string) => Promise<void>;
}

/** A key that is being written, or has to be tried again. */
interface Course {
  writing: Promise<void> | undefined;
  next: Promise<void> | undefined;
  retry: Timer | undefined;
  /** 0: the last write succeeded, or there was none. */
  retryMs: number;
  /** Something was noted that the write under way does not have. */
  isTouched: boolean;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4_000;

export class WriteBehind implements AsyncDisposable {
  readonly #options: WriteBehindOptions;
  readonly #courses = new Map<string, Course>();
  readonly #due = new Set<string>();
  #timer: Timer | undefined;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /** Something was noted: it will be written. */
  touch(key: string): void {
    const course = this.#courses.get(key);
    // With the next try, or after the write that is under way.
    if (course !== undefined) {
      course.isTouched = true;
      return;
    }
    this.#due.add(key);
    this.#timer ??= this.#options.clock.after(this.#options.delayMs, () => {
      this.#timer = undefined;
      for (const each of this.#due) this.#begin(each);
    });
  }

  /** Writes everything noted under the key before this call. Rejects as the write did; the notes are kept and tried again. */
  flush(key: string): Promise<void> {
    this.#due.delete(key);
    let course = this.#courses.get(key);
    if (course === undefined) {
      course = { writing: undefined, next: undefined, retry: undefined, retryMs: 0, isTouched: false };
      this.#courses.set(key, course);
    }
    // What is noted while a write runs is not in it, so whoever asks now waits for one more.
    course.next ??= this.#afterCurrent(key, course);
    return course.next;
  }

  /** Tries once more to write what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#due, ...this.#courses.keys()].map((key) => this.flush(key)));
    this.#timer?.cancel();
    for (const { retry } of this.#courses.values()) retry?.cancel();
  }

  /** Nobody waits for this write; its failure arms the next try. */
  #begin(key: string): void {
    this.flush(key).catch(() => undefined);
  }

  async #afterCurrent(key: string, course: Course): Promise<void> {
    await course.writing?.catch(() => undefined);
    course.next = undefined;
    course.writing = this.#write(key, course);
    await course.writing;
  }

  async #write(key: string, course: Course): Promise<void> {
    course.retry?.cancel();
    course.retry = undefined;
    course.isTouched = false;
    try {
      await this.#options.write(key);
    } catch (error) {
      course.writing = undefined;
      course.retryMs = Math.min(LONGEST_RETRY_MS, Math.max(FIRST_RETRY_MS, course.retryMs * 2));
      course.retry = this.#options.clock.after(course.retryMs, () => this.#begin(key));
      throw error;
    }
    course.writing = undefined;
    course.retryMs = 0;
    if (course.next !== undefined) return;
    this.#courses.delete(key);
    if (course.isTouched) this.touch(key);
  }
}
