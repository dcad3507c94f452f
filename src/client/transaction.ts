/** Puts one open transaction together, and lets it go. */
import { connect, poll } from './connecting.ts';
import { handleAll } from './handling.ts';
import { tellByHttp } from './http.ts';
import type { OpenedTransaction, OpenTransactionOptions, Transaction } from './api.ts';
import { load } from './position.ts';
import { end, touch, type Session } from './session.ts';
import { tellAll } from './telling.ts';
import { each, waitFor } from './waiting.ts';

/** A page has it and Node has not. */
interface Page {
  readonly setTimeout: unknown;
  addEventListener?(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void;
}

/**
 * Begins at once, and does not give up before a final state.
 * @throws TypeError for what was not opened
 */
export function openTransaction(opened: OpenedTransaction, options: OpenTransactionOptions = {}): Transaction {
  if (!opened.id || !opened.accessToken || !opened.hubUrl) throw new TypeError('expected an opened transaction');
  const { signal } = options;
  const page: Page = globalThis;
  const session: Session = {
    opened,
    options,
    state: 'connecting',
    life: new AbortController(),
    log: [],
    ids: [],
    done: 0,
    handled: 0,
    told: 0,
    queue: [],
    http: (receipt) => tellByHttp(session, receipt),
    tries: 0,
    watchers: new Set(),
    listeners: new Set(),
  };
  const close = (): void => end(session);
  const wake = (): void => {
    session.tries = 0;
    session.wake = {};
    touch(session);
  };
  const listening = { signal: session.life.signal };
  for (const type of ['online', 'pageshow', 'visibilitychange']) page.addEventListener?.(type, wake, listening);
  signal?.addEventListener('abort', close, listening);
  load(session);
  if (signal?.aborted) close();
  for (const run of [connect, poll, tellAll, handleAll]) void run(session);
  return {
    id: opened.id,
    get state() {
      return session.state;
    },
    get messages() {
      return (session.messages ??= [...session.log]);
    },
    waitFor: (type, waiting) => waitFor(session, type, waiting),
    subscribe: (listener) => {
      session.listeners.add(listener);
      return () => void session.listeners.delete(listener);
    },
    close: async () => {
      close();
      await session.stop?.();
    },
    [Symbol.asyncIterator]: () => each(session),
  };
}
