/**
 * What is known of one open transaction, and how its parts wait for each other: each changes what it owns and says so, and
 * whoever waits looks again. Knows nothing of what the parts do.
 */
import type { Message, OpenedTransaction, OpenTransactionOptions, TransactionState } from './api.ts';

/** What the server is to be told of a message: it was handled; or, with an error, its handler has failed. */
export interface Receipt {
  readonly sequence: number;
  readonly reply?: unknown;
  /** What the handler threw; not empty. */
  readonly error?: string | undefined;
}

/** A way to tell the server. True: taken. False: refused, as it would be again. Undefined: it leads nowhere any more. */
export type Channel = (receipt: Receipt) => Promise<boolean | undefined>;

export interface Session {
  readonly opened: OpenedTransaction;
  readonly options: OpenTransactionOptions;

  state: TransactionState;
  /** How the transaction has ended, while not everything that came is done with. */
  ending?: TransactionState;
  /** `state` is final. */
  isOver?: boolean;
  /** Aborted when it is over. */
  readonly life: AbortController;

  /** Everything that has come, in order, without a gap. */
  readonly log: Message[];
  /** Of the log, for the page; undefined after a change. */
  messages?: readonly Message[] | undefined;
  /** `state` or the log, and the page was not told yet. */
  isChanged?: boolean;
  /** Of the messages, as far as they are known: [0] is that of sequence 1. */
  ids: (string | undefined)[];

  /** The highest sequence that this tab's handler is done with: handled, or failed. */
  done: number;
  /** The highest that it has handled: the one to ack, since an ack of exactly a failed one makes that handled. */
  handled: number;

  /** What the server is to be told before `handled`, in order; the first may be on its way. */
  queue: Receipt[];
  /** The highest sequence that was acked on this channel. */
  told: number;
  /** Undefined: there is none just now. */
  channel?: Channel | undefined;
  readonly http: Channel;
  /** What the server has sent again last. */
  again?: number;

  /** Tries to connect since a connection lasted. */
  tries: number;
  /** Resolves when nothing is left of the last connection. */
  stop: () => Promise<void>;
  /** Another one after each time that the page came back, or its network. */
  wake?: object;
  /** No connection can be had, and HTTP has not failed yet. */
  isPolling?: boolean;

  readonly watchers: Set<() => void>;
  readonly listeners: Set<() => void>;
}

/** Something has changed: whoever waits looks; if it is `state` or `messages`, the page does, too. */
export function touch(session: Session): void {
  for (const look of session.watchers) look();
  if (!session.isChanged) return;
  session.isChanged = false;
  // What it throws is nothing to us.
  for (const listener of session.listeners) queueMicrotask(listener);
}

/** Until it is so, or the time is over. */
export function until({ watchers }: Session, isSo: () => unknown, ms = Infinity): Promise<undefined> {
  return new Promise((resolve) => {
    const look = (isLate?: unknown): void => {
      if (!isLate && !isSo()) return;
      clearTimeout(timer);
      watchers.delete(look);
      resolve(undefined);
    };
    // A longer one would fire at once.
    const timer = ms < 2 ** 31 ? setTimeout(() => look(true), ms) : undefined;
    watchers.add(look);
    look();
  });
}

/** For this time, unless the page comes back, or its network; or it is so. */
export function pause(session: Session, ms: number, isSo?: () => unknown): Promise<undefined> {
  const { wake } = session;
  return until(session, () => session.isOver || session.wake !== wake || isSo?.(), ms);
}

/** Unless the transaction has ended. */
export function enter(session: Session, state: TransactionState): void {
  if (!session.isOver && !session.ending && session.state !== state) {
    session.state = state;
    session.isChanged = true;
  }
  touch(session);
}

/** The way there was leads nowhere any more. */
export function detach(session: Session): void {
  session.channel = undefined;
  enter(session, session.state === 'connecting' ? 'connecting' : 'reconnecting');
}

/** Once, and without a way back. Whatever waits for its time does so no longer. */
export function end(session: Session, state: TransactionState = 'closed'): void {
  if (session.isOver) return;
  session.isOver = true;
  session.life.abort();
  // What was handled and not told yet is told at last; the server has nothing to hear from those that it has ended itself.
  session.channel = state === 'closed' ? session.http : undefined;
  session.state = state;
  session.isChanged = true;
  touch(session);
}

/** Tells the developer. */
export function warn(...what: unknown[]): void {
  // oxlint-disable-next-line no-console -- it is where developers of pages look
  console.warn('ringback:', ...what);
}
