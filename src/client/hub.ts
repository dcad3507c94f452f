/** One connection to the hub, by the official client, from its start to its loss. It is never started again. */
import { HubConnectionBuilder } from '@microsoft/signalr';
import type { HubConnection } from '@microsoft/signalr';
import type { Message, TransactionState } from './api.ts';
import { expected, finish, start, take } from './reading.ts';
import { detach, pause, touch, until, type Channel, type Session } from './session.ts';
import { open } from './telling.ts';

/** Resolves at the loss: whether it had caught up. */
export async function attend(session: Session): Promise<boolean> {
  const least = expected(session);
  const connection = build(session);
  let isLost = false;
  let isAttached = false;
  const lose = (): undefined => {
    isLost = true;
    touch(session);
  };
  const isGone = (): boolean => isLost || !!session.isOver || (isAttached && session.channel !== channel);
  const gone = until(session, isGone);
  const channel: Channel = async ({ sequence, reply, error }) => {
    const more = error ?? reply;
    const args = more === undefined ? [sequence] : [sequence, more];
    return (await Promise.race([invoke(connection, error ? 'nack' : 'ack', args), gone])) ?? lose();
  };
  const on = <Argument>(name: string, act: (argument: Argument) => void): void =>
    connection.on(name, (argument: Argument) => isGone() || act(argument));
  on('message', (message: Message) => {
    if (!take(session, message)) lose();
    session.again = message.sequence;
    // What is replayed is shown when it is complete: a page that reloads goes to where it was in one step.
    if (isAttached) touch(session);
  });
  on('caughtUp', ({ sequence }: { sequence: number }) => {
    if (!finish(session, least, sequence)) return lose();
    isAttached = true;
    session.isPolling = false;
    open(session, channel, 'open');
  });
  on('closed', ({ reason }: { reason: TransactionState }) => {
    session.ending = reason;
    touch(session);
  });
  connection.onclose(lose);
  session.stop = () => connection.stop();
  connection.start().catch(lose);
  // What came of a longer replay is not read again.
  await until(session, () => isAttached || isGone(), 15_000);
  // One that is lost sooner counts as a try that failed.
  for (let ms = 10_000; isAttached; ms = Infinity) {
    await pause(session, ms, isGone);
    // After sleep a socket may look well that is long dead. No hub method has this name; that is answered, too.
    const isAlive = await Promise.race([invoke(connection, 'ping', []), until(session, isGone, 5_000)]);
    if (isAlive === undefined) break;
    session.tries = 0;
  }
  lose();
  if (session.channel === channel) detach(session);
  void connection.stop();
  return isAttached;
}

function build(session: Session): HubConnection {
  const { hubUrl, accessToken } = session.opened;
  return (
    new HubConnectionBuilder()
      .withUrl(hubUrl.replace(/\?|$/, `?after=${start(session)}&`), {
        accessTokenFactory: () => accessToken,
        timeout: 15_000,
        // WebSockets or long polling, and now and then only that: some networks let WebSockets begin and carry nothing. No
        // events: the stock client forgets an event source that fails to connect, and that one tries again for ever.
        transport: session.tries % 3 ? 1 | 4 : 4,
      })
      // None: what it would say to the console, the state says.
      .configureLogging(6)
      .build()
  );
}

/** Whether the hub takes it; undefined: it has not answered. */
async function invoke(connection: HubConnection, method: string, args: readonly unknown[]): Promise<boolean | undefined> {
  try {
    await connection.invoke(method, ...args);
    return true;
  } catch (error) {
    // Refused by the hub, and not because it has no store just now.
    return /HubException: (?!store)/.test(String(error)) ? false : undefined;
  }
}
