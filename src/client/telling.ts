/**
 * Tells the server what became of each message, in order, one at a time. What was not confirmed is told again as soon as there
 * is a way.
 */
import type { TransactionState } from './api.ts';
import { detach, end, enter, until, warn, type Channel, type Session } from './session.ts';

/** There is a way on which nothing was said yet. The last ack may have been lost on the one before, or in a crash. */
export function open(session: Session, channel: Channel, state: TransactionState): void {
  session.told = 0;
  session.channel = channel;
  enter(session, state);
}

/** Until the transaction has ended, and everything is told. */
export async function tellAll(session: Session): Promise<void> {
  const isDue = (): unknown => session.queue[0] ?? session.told < session.handled;
  const isDone = (): unknown => session.ending && !isDue() && session.done >= session.log.length;
  for (;;) {
    await until(session, () => isDone() || (isDue() && session.channel));
    if (isDone()) return end(session, session.ending);
    const { channel, http, handled, queue } = session;
    const [receipt = { sequence: handled }] = queue;
    const { sequence, reply, error } = receipt;
    // A failure said on the connection is durable only after a while; by HTTP, when it is answered.
    const isTaken = await (error ? http : channel)?.(receipt);
    if (isTaken === undefined) {
      if (session.channel === channel) detach(session);
      continue;
    }
    session.queue = session.queue.filter((other) => other !== receipt);
    if (!error) session.told = sequence;
    if (isTaken) continue;
    warn(`message ${sequence}:`, 'refused');
    // It may be too large for this server. What is left of it counts.
    if ((error?.[1] ?? reply) !== undefined) session.queue.unshift({ sequence, error: error && '?' });
  }
}
