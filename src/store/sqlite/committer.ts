/**
 * The main thread's side of the worker: gathers what is asked while a batch is on its way into the next one, and starts a
 * new worker when one dies. Knows nothing of what the calls mean.
 *
 * The clock of the batches is the work itself: no timer, and no batch waits for another call.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../clock.ts';
import { RingbackError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { StoreLimits } from '../store.ts';
import { CLOSE } from './calls.ts';
import type { Answer, Batch, CallOf, IndexedResult, Method, ParametersOf, WorkerMessage, WorkerSettings } from './calls.ts';
import type { Refusal } from './database.ts';

const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export interface CommitterOptions {
  readonly file: string;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Pending {
  /** A `Call`, which only its worker looks into. */
  readonly call: unknown;
  // Methods, so that promises of different methods can wait in one queue.
  resolve(value: unknown): void;
  reject(error: RingbackError): void;
}

/** Why a worker did not start; undefined when it did. */
export type StartFault = { readonly refusal: Refusal } | { readonly cause: Error } | undefined;

export class Committer implements AsyncDisposable {
  readonly #options: CommitterOptions;
  #worker: Worker | undefined;
  #state: 'starting' | 'ready' | 'down' | 'closed' = 'down';
  /** In the worker, by their index in the batch; each is removed when it is answered. */
  readonly #inFlight = new Map<number, Pending>();
  #queue: Pending[] = [];
  #isFlushDue = false;
  /** How long to wait before the next worker; 0 after one that worked. */
  #pauseMs = 0;
  #pause: Timer | undefined;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Starts the first worker. With a fault nothing is left running. */
  start(): Promise<StartFault> {
    return this.#start({ clear: true });
  }

  /** Calls reach the file in the order of these. @throws store_unavailable, internal_error */
  call<M extends Method>(method: M, ...parameters: ParametersOf<M>): Promise<Answer<M>> {
    if (this.#closing !== undefined) return Promise.reject(unavailable(new Error('the store is closed')));
    if (this.#state === 'down') return Promise.reject(unavailable(new Error('the worker of the store has not started again')));
    const { promise, resolve, reject } = Promise.withResolvers<Answer<M>>();
    const call: CallOf<M> = { method, parameters };
    this.#queue.push({ call, resolve, reject });
    this.#flushSoon();
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers();
      this.#pause?.cancel();
      this.#worker?.ref();
      if (this.#worker === undefined) this.#closing.resolve();
      else this.#restIfIdle();
    }
    return this.#closing.promise;
  }

  #start({ clear }: { readonly clear: boolean }): Promise<StartFault> {
    const { file, limits } = this.#options;
    const settings: WorkerSettings = { file, limits, clear };
    const { promise, resolve } = Promise.withResolvers<StartFault>();
    // The same ending as this very file: the sources run as they are, and the package as built.
    const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), { workerData: settings });
    this.#state = 'starting';
    this.#worker = worker;
    let fault: NonNullable<StartFault> = { cause: new Error('the worker of the store ended as it started') };
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'refused') fault = { refusal: message.refusal };
      else if (message.kind === 'failed') fault = { cause: message.cause };
      else if (message.kind === 'trouble') this.#log(message.event, message.cause);
      else if (message.kind === 'results') this.#settle(message.results);
      else {
        resolve(undefined);
        this.#onReady();
      }
    });
    worker.on('error', (error) => this.#log('store.worker_failed', error));
    worker.on('exit', () => {
      resolve(fault);
      this.#onExit('cause' in fault ? fault.cause : new Error(fault.refusal.reason));
    });
    return promise;
  }

  #onReady(): void {
    this.#state = 'ready';
    this.#flush();
    this.#restIfIdle();
  }

  #onExit(cause: Error): void {
    const wasStarting = this.#state === 'starting';
    this.#worker = undefined;
    this.#state = 'down';
    this.#rejectAll(wasStarting ? cause : new Error('the worker of the store died'));
    if (this.#closing !== undefined) return this.#closing.resolve();
    // The very first start is reported to who opens the store, and not repeated.
    if (wasStarting && this.#pauseMs === 0) return;
    if (this.#pauseMs === 0) this.#restart();
    else this.#pause = this.#options.clock.after(this.#pauseMs, () => this.#restart());
  }

  #restart(): void {
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.#options.logger.warn({ event: 'store.worker_restarting' });
    // The connections in the file are of this process, which lives. What goes wrong is seen by the exit of the worker.
    void this.#start({ clear: false });
  }

  /** After all that has arrived by now: what many sockets ask in one turn of the event loop is one batch. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state !== 'ready' || this.#inFlight.size > 0 || this.#queue.length === 0) return;
    const pending = this.#queue;
    this.#queue = [];
    for (const [index, each] of pending.entries()) this.#inFlight.set(index, each);
    const batch: Batch<unknown> = { now: this.#options.clock.now(), calls: pending.map(({ call }) => call) };
    this.#worker?.ref();
    try {
      this.#worker?.postMessage(batch);
    } catch {
      this.#dropUnsendable(pending);
    }
  }

  /** Something in the batch cannot be sent to a thread, which the types forbid: that call fails, and the others go. */
  #dropUnsendable(pending: readonly Pending[]): void {
    this.#inFlight.clear();
    const queue = this.#queue;
    this.#queue = [];
    for (const each of pending) {
      try {
        structuredClone(each.call);
        this.#queue.push(each);
      } catch (cause) {
        each.reject(new RingbackError('internal_error', { cause }));
      }
    }
    this.#queue.push(...queue);
    this.#flush();
  }

  #settle(results: readonly IndexedResult[]): void {
    this.#pauseMs = 0;
    for (const [index, result] of results) {
      const pending = this.#inFlight.get(index);
      this.#inFlight.delete(index);
      if ('cause' in result) pending?.reject(new RingbackError(result.code, { cause: result.cause }));
      else pending?.resolve(result.value);
    }
    if (this.#inFlight.size > 0) return;
    this.#flushSoon();
    this.#restIfIdle();
  }

  #restIfIdle(): void {
    if (this.#state !== 'ready' || this.#inFlight.size > 0 || this.#queue.length > 0) return;
    // An idle store does not keep the process alive; one that owes answers does.
    if (this.#closing === undefined) return this.#worker?.unref();
    this.#state = 'closed';
    this.#worker?.postMessage(CLOSE);
  }

  #rejectAll(cause: Error): void {
    const pending = [...this.#inFlight.values(), ...this.#queue];
    this.#inFlight.clear();
    this.#queue = [];
    for (const each of pending) each.reject(unavailable(cause));
  }

  #log(event: string, error: Error): void {
    this.#options.logger.error({ event, error: error.message });
  }
}

function unavailable(cause: Error): RingbackError {
  return new RingbackError('store_unavailable', { cause });
}
