/** Connects, again and again; while no connection can be had, asks by HTTP. Gives up only when the transaction ends. */
import { ask } from './http.ts';
import { attend } from './hub.ts';
import { expected, finish, start, take } from './reading.ts';
import { detach, pause, touch, until, warn, type Session } from './session.ts';
import { open } from './telling.ts';

export async function connect(session: Session): Promise<void> {
  while (!session.isOver) {
    session.tries++;
    const wasAttached = !session.ending && (await attend(session));
    session.isPolling ||= !wasAttached;
    touch(session);
    // Random, so that a server that comes back is not run over.
    await pause(session, Math.random() * Math.min(15_000, 500 * 2 ** session.tries));
  }
}

/** While no connection can be had. */
export async function poll(session: Session): Promise<void> {
  const isNeeded = (): unknown => session.isPolling && !session.isOver;
  for (;;) {
    await until(session, isNeeded);
    const least = expected(session);
    const { tries } = session;
    const [status, page] = await ask(session, `messages?limit=1000&after=${start(session)}`);
    if (!isNeeded()) continue;
    if (status !== 200 || !page) {
      session.isPolling = false;
      detach(session);
      // The console says what happened, but browsers hide the answer that says why from a page that it is not meant for.
      if (tries === 3) warn('no way to', session.opened.hubUrl, '(--allowed-origin?)');
      continue;
    }
    const { messages, lastSequence, state } = page;
    const isWhole = messages.every((message) => take(session, message)) && session.log.length >= lastSequence;
    if (isWhole && finish(session, least, lastSequence)) {
      if (state !== 'open') session.ending = state;
      if (session.channel) touch(session);
      else open(session, session.http, 'polling');
    }
    await pause(session, isWhole ? 1_000 + 2_000 * Math.random() : 100);
  }
}
