/** What brings messages: appends, and events of webhooks. Functions: `0001-2-messages.sql`, `0001-3-events.sql`. */
import { messageId, sequenceIn } from '../message-id.ts';
import type { AppendResult, IncomingEvent, MailboxLimit, NewMessage, ReceiveResult } from '../store.ts';
import { sought } from './storable.ts';
import { BUSY, IN_USE, Write } from './write.ts';
import type { Place } from './write.ts';

/** Work for some milliseconds; more would make a commit no cheaper for each. */
const MOST_APPENDS = 256;
/** Each may hold the lock of a reference, of which a server has some thousands in all. */
const MOST_EVENTS = 64;

/** A message with what it will be named by if it has no id: the same, however often it is tried. */
export interface Append {
  readonly message: NewMessage;
  readonly stem: string;
}

/** The first message of a name. */
interface First {
  readonly id: string;
  readonly sequence: number;
  readonly storedAt: number;
  readonly type: string;
  readonly data: string;
}

type AppendAnswer = number | First | 'conflict' | 'unknown' | 'settled' | 'expired' | 'busy' | MailboxLimit;
type AppendAnswers = readonly [at: number, each: readonly AppendAnswer[]];
export type AppendWrite = Write<Append, AppendResult, AppendAnswers>;

export function appendWrite(): AppendWrite {
  return new Write({
    name: 'append_all',
    types: ['text[]', 'text[]', 'bigint[]', 'text[]', 'text[]', 'bigint[]', 'text[]', 'text[]'],
    most: MOST_APPENDS,
    place: ({ message }) => placeOfAppend(message),
    texts: ({ message: { id, key, type, data } }) => [id, key, type, data],
    values: (calls) => [
      calls.map(({ message }) => sought(message.transactionId)),
      calls.map(({ message }) => message.id),
      calls.map(({ message }) => sequenceOf(message.id)),
      calls.map(({ stem }) => stem),
      calls.map(({ message }) => message.key),
      calls.map(({ message }) => sequenceOf(message.key)),
      calls.map(({ message }) => message.type),
      calls.map(({ message }) => message.data),
    ],
    answers: ([at, each], calls) => calls.map((call, index) => appendResult(call, each[index] ?? 'busy', at)),
  });
}

function placeOfAppend({ transactionId, id, key }: NewMessage): Place {
  const keys = [`t:${transactionId}`];
  if (id === undefined && key === undefined) return { keys, names: 'id' };
  const names = id === key ? [id] : [id, key];
  return { keys, names: 'id', unique: names.filter((name) => name !== undefined).map((name) => `${transactionId} ${name}`) };
}

function sequenceOf(name: string | undefined): number | undefined {
  return name === undefined ? undefined : sequenceIn(name);
}

function appendResult({ message, stem }: Append, answer: AppendAnswer, at: number): AppendResult | typeof BUSY {
  const { transactionId, type, data } = message;
  if (typeof answer === 'number') {
    const id = message.id ?? messageId(stem, answer);
    return { outcome: 'stored', message: { transactionId, id, sequence: answer, type, data, storedAt: at } };
  }
  switch (answer) {
    case 'busy':
      return BUSY;
    case 'conflict':
    case 'unknown':
    case 'settled':
    case 'expired':
      return { outcome: answer };
    case 'messagesPerTransaction':
    case 'mailboxBytes':
      return { outcome: 'full', limit: answer };
    default: {
      const { id, sequence, storedAt } = answer;
      return {
        outcome: 'duplicate',
        message: { transactionId, id, sequence, type: answer.type, data: answer.data, storedAt },
      };
    }
  }
}

type EventOutcome =
  | 'stored'
  | 'parked'
  | 'duplicate'
  | 'settled'
  | 'expired'
  | 'unknown'
  | 'busy'
  | 'in_use'
  | MailboxLimit
  | 'parkedMessages';
type EventAnswer = readonly [outcome: EventOutcome, transactionId: string | null, sequence: number | null];
type EventAnswers = readonly [at: number, each: readonly EventAnswer[]];
export type ReceiveWrite = Write<IncomingEvent, ReceiveResult, EventAnswers>;

export function receiveWrite(): ReceiveWrite {
  return new Write({
    name: 'receive_all',
    types: ['text[]', 'text[]', 'text[]', 'text[]', 'text[]', 'bigint[]', 'text[]', 'text[]'],
    most: MOST_EVENTS,
    place: ({ recipient, eventHash }) => {
      const unique = [eventHash];
      if ('reference' in recipient) {
        return { keys: [`r:${recipient.reference}`, `e:${eventHash}`], names: 'reference', unique };
      }
      return { keys: [`t:${recipient.transactionId}`, `e:${eventHash}`], names: 'id', unique };
    },
    texts: ({ source, eventHash, recipient, id, type, data }) => {
      const reference = 'reference' in recipient ? recipient.reference : undefined;
      return [source, eventHash, reference, id, type, data];
    },
    values: (calls) => [
      calls.map(({ eventHash }) => eventHash),
      calls.map(({ recipient }) => ('reference' in recipient ? null : sought(recipient.transactionId))),
      calls.map(({ recipient }) => ('reference' in recipient ? recipient.reference : null)),
      calls.map(({ source }) => source),
      calls.map(({ id }) => id),
      calls.map(({ id }) => sequenceIn(id)),
      calls.map(({ type }) => type),
      calls.map(({ data }) => data),
    ],
    answers: ([at, each], calls) => calls.map((call, index) => receiveResult(call, each[index] ?? ['busy', null, null], at)),
  });
}

function receiveResult(
  { id, type, data }: IncomingEvent,
  [outcome, transactionId, sequence]: EventAnswer,
  storedAt: number,
): ReceiveResult | typeof BUSY | typeof IN_USE {
  switch (outcome) {
    case 'stored':
      if (transactionId === null || sequence === null) throw new TypeError('expected where the message was stored');
      return { outcome, message: { transactionId, id, sequence, type, data, storedAt } };
    case 'duplicate':
      return transactionId === null ? { outcome } : { outcome, transactionId };
    case 'busy':
      return BUSY;
    case 'in_use':
      return IN_USE;
    case 'parked':
    case 'settled':
    case 'expired':
    case 'unknown':
      return { outcome };
    default:
      return { outcome: 'full', limit: outcome };
  }
}
