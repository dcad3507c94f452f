/** Connects, again and again; while no connection can be had, asks by HTTP. Gives up only when the transaction ends. */
import { ask, type MailboxPage } from './http.ts';
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
    await pause(session, Math.random() * Math.min(30_000, 500 * 2 ** session.tries));
  }
}

/** While no connection can be had. */
export async function poll(session: Session): Promise<void> {
  for (;;) {
    await until(session, () => session.isPolling && isAlone(session));
    const least = expected(session);
    const [status, text] = await ask(session, `messages?limit=1000&after=${start(session)}`);
    if (!isAlone(session)) continue;
    if (status !== 200) {
      session.isPolling = false;
      detach(session);
      // Browsers hide the answer that would say so from pages that it is not meant for.
      if (session.tries === 3) warn(`no way to ${session.opened.hubUrl}; is this origin an --allowed-origin?`, text);
      continue;
    }
    const { messages, lastSequence, state }: MailboxPage = JSON.parse(text);
    const isWhole = messages.every((message) => take(session, message)) && session.log.length >= lastSequence;
    if (isWhole && finish(session, least, lastSequence)) {
      if (state !== 'open') session.ending = state;
      if (session.channel) touch(session);
      else open(session, session.http, 'polling');
    }
    await pause(session, isWhole ? 1_000 + 2_000 * Math.random() : 100);
  }
}

/** No connection has caught up. */
function isAlone({ isOver, channel, http }: Session): boolean {
  return !isOver && (!channel || channel === http);
}
