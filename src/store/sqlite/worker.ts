/** The thread that owns the file: takes a batch, runs it, takes the next. Told which file by its worker data. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatchRunner } from './batch.ts';
import { CLOSE } from './calls.ts';
import type { Batch, WorkerMessage, WorkerSettings } from './calls.ts';
import { Database } from './database.ts';

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function start({ file, limits, clear }: WorkerSettings): void {
  const database = Database.open(file);
  if (!(database instanceof Database)) return tell({ kind: 'refused', refusal: database });
  const runner = new BatchRunner(
    {
      database,
      limits,
      answer: (results) => tell({ kind: 'results', results }),
      onTrouble: (event, cause) => tell({ kind: 'trouble', event, cause }),
    },
    { clear },
  );
  parentPort?.on('message', (message: Batch | typeof CLOSE) => {
    if (message === CLOSE) return close(database);
    runner.run(message);
  });
  tell({ kind: 'ready' });
}

function close(database: Database): void {
  try {
    database[Symbol.dispose]();
  } catch (error) {
    tell({ kind: 'trouble', event: 'store.close_failed', cause: asError(error) });
  }
  parentPort?.close();
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

try {
  // What the main side passes is a WorkerSettings; worker data has no type of its own.
  const settings: WorkerSettings = workerData;
  start(settings);
} catch (error) {
  tell({ kind: 'failed', cause: asError(error) });
}
