/** Two ways to wait for messages: for the first of a type, and for each. Both begin with what has come already. */
import type { Message, WaitOptions } from './api.ts';
import { touch, until, type Session } from './session.ts';

export async function waitFor(session: Session, type: string, { timeoutMs, signal }: WaitOptions = {}): Promise<Message> {
  let found: Message | undefined;
  const look = (): void => touch(session);
  const find = (): unknown => (found = session.log.find((message) => message.type === type));
  signal?.addEventListener('abort', look);
  await until(session, () => signal?.aborted || find() || session.isOver, timeoutMs);
  signal?.removeEventListener('abort', look);
  signal?.throwIfAborted();
  if (found) return found;
  const text = `no '${type}' came`;
  throw session.isOver ? new Error(`${text}: ${session.state}`) : new DOMException(text, 'TimeoutError');
}

export async function* each(session: Session): AsyncGenerator<Message, void> {
  for (let next = 0; ; next++) {
    await until(session, () => {
      // What is not what it was is read again.
      next = Math.min(next, session.log.length);
      return session.isOver || session.log[next];
    });
    const message = session.log[next];
    if (message === undefined) return;
    yield message;
  }
}
