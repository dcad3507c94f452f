/**
 * What becomes of an event that comes in, for every store whose parts answer at once: the rules of "known before anything
 * else" and "open before ended before parked" exist once. Knows nothing of how anything is kept.
 */
import { inUse } from './in-use.ts';
import { stateAt } from './lifetime.ts';
import type { Lifetime } from './lifetime.ts';
import type { AppendResult, IncomingEvent, JsonText, NewMessage, ReceiveResult, Recipient } from './store.ts';

/** A message that came before its transaction. */
export interface ParkedMessage {
  readonly source: string;
  readonly reference: string;
  readonly id: string;
  readonly type: string;
  readonly data: JsonText;
  /** Epoch milliseconds. */
  readonly storedAt: number;
}

/** What is known of a transaction that was found. */
type Found = Lifetime & { readonly id: string };

/** What a store brings along. All of it happens in one unit of work, which is undone when something throws. */
export interface Intake<Transaction extends Found> {
  isKnown(eventHash: string, now: number): boolean;
  note(eventHash: string, now: number): void;
  /** Undefined: unknown or forgotten. Of several with one reference the open one, else the latest. */
  find(recipient: Recipient, now: number): Transaction | undefined;
  append(transaction: Transaction, message: NewMessage, now: number): AppendResult;
  /** @throws internal_error when a message with this reference and id is parked already */
  park(message: ParkedMessage): ReceiveResult;
}

/** {@link Store.receive}. @throws internal_error when the id of the message is in use */
export function receive<Transaction extends Found>(
  intake: Intake<Transaction>,
  event: IncomingEvent,
  now: number,
): ReceiveResult {
  const found = intake.find(event.recipient, now);
  if (intake.isKnown(event.eventHash, now)) return duplicateFor(found, now);
  const result = found === undefined ? park(intake, event, now) : received(intake.append(found, messageFor(found, event), now));
  if (result.outcome !== 'unknown' && result.outcome !== 'full') intake.note(event.eventHash, now);
  return result;
}

function duplicateFor(found: Found | undefined, now: number): ReceiveResult {
  const isOpen = found !== undefined && stateAt(found, now) === 'open';
  return isOpen ? { outcome: 'duplicate', transactionId: found.id } : { outcome: 'duplicate' };
}

function park(intake: Pick<Intake<Found>, 'park'>, event: IncomingEvent, now: number): ReceiveResult {
  const { source, recipient, id, type, data } = event;
  if (!('reference' in recipient)) return { outcome: 'unknown' };
  return intake.park({ source, reference: recipient.reference, id, type, data, storedAt: now });
}

function messageFor({ id: transactionId }: Found, { id, type, data }: IncomingEvent): NewMessage {
  return { transactionId, id, type, data };
}

function received(result: AppendResult): ReceiveResult {
  switch (result.outcome) {
    case 'stored':
      return { outcome: 'stored', message: result.message };
    case 'duplicate':
    case 'conflict':
      // The event is new, so its message is too: one with this id is another's.
      throw inUse();
    default:
      return result;
  }
}
