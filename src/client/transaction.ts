/** Puts one open transaction together, and lets it go. */
import { connect, poll } from './connecting.ts';
import { handleAll } from './handling.ts';
import { tellByHttp } from './http.ts';
import type { OpenedTransaction, OpenTransactionOptions, Transaction } from './api.ts';
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
  if (!opened.accessToken) throw new TypeError('no access token');
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
    stop: async () => undefined,
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
  if (signal?.aborted) close();
  // First who knows what this tab is done with.
  for (const run of [handleAll, connect, poll, tellAll]) void run(session);
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
    close: () => {
      close();
      return session.stop();
    },
    [Symbol.asyncIterator]: () => each(session),
  };
}
