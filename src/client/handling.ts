/**
 * Calls the page's handler: with each message that this tab is not done with, in order, one at a time, again when it throws.
 */
import type { Message } from './api.ts';
import { load, note } from './position.ts';
import { until, warn, type Channel, type Receipt, type Session } from './session.ts';

/** Whose handler runs. */
const running = new Map<Session, Promise<void>>();

export async function handleAll(session: Session): Promise<void> {
  // One that was closed in this page may still be at it.
  for (const [{ isOver, opened }, call] of running) {
    if (isOver && opened.id === session.opened.id) await call;
  }
  load(session);
  for (;;) {
    await until(session, () => !session.isOver && session.log.length > session.done);
    const message = session.log[session.done];
    if (!message) continue;
    const call = handle(session, message);
    running.set(session, call);
    await call;
    running.delete(session);
  }
}

/** Until it was handled, or has failed for good, or is not wanted any more. Never rejects. */
async function handle(session: Session, message: Message): Promise<void> {
  const { sequence } = message;
  let failures = 0;
  let channel: Channel | undefined;
  const isWanted = (): boolean => session.log[sequence - 1] === message;
  const isDue = (): unknown => session.again === sequence || (session.channel && session.channel !== channel);
  do {
    const { reply, error } = await attempt(session, message);
    if (!isWanted()) return;
    // An ack of a later one does not cover one that has failed.
    if (!error) return note(session, message, failures || reply !== undefined ? { sequence, reply } : undefined);
    // Each connection counts anew. Without one it does not count, and is tried again when there is one.
    if (channel !== session.channel) failures = 0;
    channel = session.channel;
    let ms = Infinity;
    if (channel) {
      ms = 1_000 * 2 ** failures++;
      if (channel !== session.http) {
        void channel({ sequence, error });
        // The server sends it again, unless another tab has handled it meanwhile; then it does not come.
        ms += 5_000;
      }
      if (failures === 5) return note(session, message, { sequence, error });
    }
    session.again = 0;
    await until(session, () => session.isOver || !isWanted() || isDue(), ms);
  } while (!session.isOver && isWanted());
}

async function attempt({ options }: Session, message: Message): Promise<Omit<Receipt, 'sequence'>> {
  try {
    const reply = await options.onMessage?.(message);
    try {
      // Only JSON goes to the server.
      return { reply: JSON.stringify(reply) && reply };
    } catch (error) {
      warn(error);
      return {};
    }
  } catch (error) {
    warn(`message ${message.sequence}:`, error);
    const text = error instanceof Error ? error.message : String(error);
    return { error: text.slice(0, 2_700) || '?' };
  }
}
