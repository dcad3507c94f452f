/**
 * How far the handler of this tab is, kept over reloads: a message that it is done with is not handed to it again, and what the
 * server has not been told yet is told again.
 */
import type { ClientStorage, Message } from './api.ts';
import { touch, type Receipt, type Session } from './session.ts';

/** `ids` are those of the last messages up to `done`, by which a log is known again that has become another. */
type Stored = readonly [done: number, handled: number, failures: Receipt[], ids: string[]];

/** None without a handler: there is nothing then that must not happen twice. @throws where nothing can be stored */
function storageOf({ options }: Session): ClientStorage | undefined {
  return options.onMessage && (options.storage ?? sessionStorage);
}

function keyOf({ opened }: Session): string {
  return `ringback:${opened.id}`;
}

/** What is stored takes the place of what is known. */
export function load(session: Session): void {
  try {
    const [done, handled, failures, ids]: Stored = JSON.parse(storageOf(session)?.getItem(keyOf(session)) ?? '');
    session.ids = [...Array<undefined>(done - ids.length), ...ids];
    session.queue = [...failures];
    session.handled = handled;
    session.done = done;
  } catch {
    // None, or not ours.
  }
}

export function save(session: Session): void {
  const { done, handled, queue, ids } = session;
  try {
    const stored = [done, handled, queue.filter(({ error }) => error), ids.slice(0, done).slice(-100)];
    storageOf(session)?.setItem(keyOf(session), JSON.stringify(stored));
  } catch {
    // Full, or not to be had: it is known until the page is left.
  }
}

/** The handler is done with the next message. This is kept before it is told: what was told must not come again. */
export function note(session: Session, { sequence }: Message, receipt?: Receipt): void {
  session.done = sequence;
  if (!receipt?.error) session.handled = sequence;
  if (receipt) session.queue.push(receipt);
  save(session);
  touch(session);
}

/** What lies behind this sequence is not what it was. The log must reach as far. */
export function cut(session: Session, end: number): void {
  session.log.length = end;
  session.ids.length = end;
  session.done = Math.min(session.done, end);
  // It may have failed: no ack is better than a wrong one.
  session.handled = 0;
  session.queue = session.queue.filter(({ sequence }) => sequence <= end);
  session.messages = undefined;
  session.isChanged = true;
  save(session);
  touch(session);
}
