/**
 * Runs one batch: first its reads, on what is committed; then all its writes in one transaction, each on its own savepoint.
 * A write that cannot be done fails alone; a commit that fails takes all writes of its batch with it, and nothing else.
 *
 * **Crash points.** Tests learn from these `node:diagnostics_channel`s where a batch is, and kill the process there; without
 * a subscriber they cost nothing. They are published in the worker, so subscribe in a module that is preloaded by
 * `--import`, which workers inherit.
 * - `ringback:sqlite.inside-batch`: after the first write of a batch that has several
 * - `ringback:sqlite.before-commit`: after the last write
 * - `ringback:sqlite.after-commit`: before any of them is answered
 *
 * Each message is a {@link BatchProgress}.
 */
import { channel } from 'node:diagnostics_channel';
import type { StoreLimits } from '../store.ts';
import { clearConnections } from './access.ts';
import type { Batch, Call, CallOf, CallResult, IndexedResult, Method, Operations, Read, Removal, Write } from './calls.ts';
import type { Database } from './database.ts';
import { isOfOneCall } from './faults.ts';
import { prepareOperations } from './operations.ts';
import type { AllOperations } from './operations.ts';

export interface BatchProgress {
  /** How many calls the transaction writes for. */
  readonly writes: number;
}

const insideBatch = channel('ringback:sqlite.inside-batch');
const beforeCommit = channel('ringback:sqlite.before-commit');
const afterCommit = channel('ringback:sqlite.after-commit');

type Indexed<M extends Method> = readonly [index: number, call: Call<M>];

export interface BatchRunnerOptions {
  readonly database: Database;
  readonly limits: StoreLimits;
  /** Told the results of some calls as soon as they are known; in the end once for each call. */
  readonly answer: (results: readonly IndexedResult[]) => void;
  /** A fault that no call can be told of. */
  readonly onTrouble: (event: string, cause: Error) => void;
}

export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  #operations: AllOperations;
  /** The connection that they are for. */
  #prepared: Database['connection'];
  /** Something failed that may have broken the connection. */
  #isSuspect = false;
  /** Something was deleted whose bytes may still be in a file. */
  #owesErasure = true;
  /** What was deleted are the first slices of more. */
  #isBacklog = false;
  #isFailing = false;

  /** @param clear whether the connections in the file are those of a process that died */
  constructor(options: BatchRunnerOptions, { clear }: { readonly clear: boolean }) {
    this.#options = options;
    const { connection } = options.database;
    if (clear) clearConnections(connection);
    this.#operations = prepareOperations(connection, options.limits);
    this.#prepared = connection;
    // A process that died may have left what it had deleted.
    this.#eraseQuietly();
  }

  run({ now, calls }: Batch): void {
    const { answer } = this.#options;
    const fault = this.#renewIfSuspect();
    if (fault !== undefined) return answer(calls.map((_call, index) => [index, unavailable(fault)]));
    const reads: Indexed<Read>[] = [];
    const writes: Indexed<Write>[] = [];
    for (const [index, call] of calls.entries()) {
      if (isRead(call)) reads.push([index, call]);
      else writes.push([index, call]);
    }
    if (reads.length > 0) answer(this.#read(reads, now));
    if (writes.length > 0) this.#answerWrites(this.#write(writes, now), writes);
  }

  /** Returns why the connection cannot be used. */
  #renewIfSuspect(): Error | undefined {
    if (!this.#isSuspect) return undefined;
    const { database, limits } = this.#options;
    try {
      database.renewIfBroken();
      // Also where an earlier preparation for it has failed.
      if (database.connection !== this.#prepared) {
        this.#operations = prepareOperations(database.connection, limits);
        this.#prepared = database.connection;
      }
      this.#isSuspect = false;
      return undefined;
    } catch (error) {
      return asError(error);
    }
  }

  #read(reads: readonly Indexed<Read>[], now: number): readonly IndexedResult[] {
    const { connection } = this.#options.database;
    try {
      connection.exec('BEGIN');
      const results = reads.map(([index, call]): IndexedResult => [index, attempt(this.#operations.reads, call, now)]);
      connection.exec('COMMIT');
      return results;
    } catch (error) {
      return this.#rejectAll(reads, asError(error));
    }
  }

  #write(writes: readonly Indexed<Write>[], now: number): readonly IndexedResult[] {
    const { connection } = this.#options.database;
    const results: IndexedResult[] = [];
    const progress: BatchProgress = { writes: writes.length };
    try {
      connection.exec('BEGIN IMMEDIATE');
      for (const [index, call] of writes) {
        results.push([index, this.#writeOne(call, now)]);
        if (results.length === 1 && writes.length > 1 && insideBatch.hasSubscribers) insideBatch.publish(progress);
      }
      this.#operations.complete(writes.length);
      if (beforeCommit.hasSubscribers) beforeCommit.publish(progress);
      connection.exec('COMMIT');
    } catch (error) {
      this.#operations.undone();
      const cause = asError(error);
      if (!this.#isFailing) this.#options.onTrouble('store.commit_failed', cause);
      this.#isFailing = true;
      return this.#rejectAll(writes, cause);
    }
    this.#isFailing = false;
    if (afterCommit.hasSubscribers) afterCommit.publish(progress);
    return results;
  }

  #writeOne(call: Call<Write>, now: number): CallResult {
    // An append looks up all it is given before its first write, so that it cannot fail halfway, and needs no savepoint.
    if (call.method === 'append') return attempt(this.#operations.writes, call, now);
    const { connection } = this.#options.database;
    connection.exec('SAVEPOINT one');
    const result = attempt(this.#operations.writes, call, now);
    if ('cause' in result) {
      connection.exec('ROLLBACK TO one');
      this.#operations.undone();
    }
    connection.exec('RELEASE one');
    return result;
  }

  /** Those that remove things have to wait until the bytes are gone too: also those of an earlier call whose erasure failed. */
  #answerWrites(results: readonly IndexedResult[], writes: readonly Indexed<Write>[]): void {
    const { answer, database } = this.#options;
    if (this.#operations.takeRemoved()) this.#owesErasure = true;
    const erases = this.#owesErasure && !this.#canWait(results, writes);
    const removals = new Set(writes.filter(([, { method }]) => erases && REMOVALS.has(method)).map(([index]) => index));
    const others = removals.size === 0 ? results : results.filter(([index]) => !removals.has(index));
    if (others.length > 0) answer(others);
    const fault = erases ? this.#erase() : undefined;
    if (removals.size > 0) answer(results.filter(([index]) => removals.has(index)).map((result) => withFault(result, fault)));
    else if (fault !== undefined) this.#options.onTrouble('store.erase_failed', fault);
    this.#quietly(() => database.checkpointIfLong());
  }

  /** Of a backlog, several slices are erased together: what that costs is mostly the same for one and for many. */
  #canWait(results: readonly IndexedResult[], writes: readonly Indexed<Write>[]): boolean {
    for (const [place, [, { method }]] of writes.entries()) {
      if (!REMOVALS.has(method)) continue;
      this.#isBacklog = method === 'sweep' && saysMore(results[place]);
      if (!this.#isBacklog) break;
    }
    return this.#isBacklog && !this.#options.database.isErasureDue();
  }

  #erase(): Error | undefined {
    try {
      this.#options.database.erase();
      this.#owesErasure = false;
      this.#isBacklog = false;
      return undefined;
    } catch (error) {
      return asError(error);
    }
  }

  #eraseQuietly(): void {
    const fault = this.#erase();
    if (fault !== undefined) this.#options.onTrouble('store.erase_failed', fault);
  }

  #quietly(checkpoint: () => void): void {
    try {
      checkpoint();
    } catch (error) {
      this.#options.onTrouble('store.checkpoint_failed', asError(error));
    }
  }

  #rejectAll(calls: readonly Indexed<Method>[], cause: Error): readonly IndexedResult[] {
    const { connection } = this.#options.database;
    this.#isSuspect = true;
    try {
      if (connection.isTransaction) connection.exec('ROLLBACK');
    } catch {
      // The connection is looked at before its next use.
    }
    return calls.map(([index]) => [index, unavailable(cause)]);
  }
}

/**
 * Throws what is the fault of the file; returns what is the fault of the call. Generic, so that the compiler can tell that an
 * operation gets the parameters of its own method.
 */
function attempt<M extends Method>(operations: Operations<M>, { method, parameters }: CallOf<M>, now: number): CallResult {
  try {
    return { value: operations[method](now, ...parameters) };
  } catch (error) {
    if (!isOfOneCall(error)) throw error;
    return { code: 'internal_error', cause: asError(error) };
  }
}

const READS: ReadonlySet<Method> = new Set<Read>([
  'read',
  'receipt',
  'versions',
  'transaction',
  'transactionsByReference',
  'findToken',
  'findCallback',
  'findTicket',
]);

function isRead(call: Call): call is Call<Read> {
  return READS.has(call.method);
}

const REMOVALS: ReadonlySet<Method> = new Set<Removal>(['forget', 'sweep']);

function saysMore(result: IndexedResult | undefined): boolean {
  if (result === undefined || !('value' in result[1])) return false;
  const { value } = result[1];
  return typeof value === 'object' && value !== null && 'more' in value && value.more === true;
}

/** A call that was done is not acknowledged if the bytes of what it removed are still there. */
function withFault([index, result]: IndexedResult, fault: Error | undefined): IndexedResult {
  return [index, fault === undefined || 'cause' in result ? result : unavailable(fault)];
}

function unavailable(cause: Error): CallResult {
  return { code: 'store_unavailable', cause };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
