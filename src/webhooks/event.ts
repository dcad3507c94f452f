/** From a verified body to what the mailbox takes: which event it is, whom it is for, and what it says. */
import { hash } from 'node:crypto';
import { RingbackError } from '../errors.ts';
import { parseJsonBytes } from '../json/json-text.ts';
import type { IncomingEvent, Recipient } from '../store/store.ts';
import { isTransactionId, MESSAGE_TYPE, NAME } from '../transactions/names.ts';
import { valueAt } from './pointer.ts';
import type { Preset } from './preset.ts';
import type { WebhookSource } from './source.ts';

/** The type of a message whose body has none that could be one. */
const UNTYPED = 'webhook';

/** Without a recipient: verified, but nothing in it names a transaction. */
export type ReadEvent = Omit<IncomingEvent, 'id' | 'recipient'> & { readonly recipient: Recipient | undefined };

export interface VerifiedBody {
  /** Of the event, one character a byte. */
  readonly id: string;
  readonly bytes: Uint8Array;
  /** Objects and arrays inside each other, at most. */
  readonly maxDepth: number;
}

/**
 * @throws RingbackError invalid_request, when the id of the event is none
 * @throws JsonTextError
 */
export function readEvent(source: WebhookSource, preset: Preset, { id, bytes, maxDepth }: VerifiedBody): ReadEvent {
  const eventHash = hashEvent(source.name, eventName(id, preset.headers.id));
  const body = parseJsonBytes(bytes, maxDepth);
  const type = valueAt(body.value, source.type);
  return {
    source: source.name,
    eventHash,
    recipient: recipientAt(valueAt(body.value, source.transaction)),
    type: typeof type === 'string' && MESSAGE_TYPE.test(type) ? type : UNTYPED,
    data: body.member(preset.data) ?? 'null',
  };
}

function recipientAt(value: unknown): Recipient | undefined {
  if (typeof value !== 'string' || !NAME.test(value)) return undefined;
  return isTransactionId(value) ? { transactionId: value } : { reference: value };
}

/** The header as the text that its bytes are. */
function eventName(id: string, header: string): string {
  const text = Buffer.from(id, 'latin1').toString('utf8');
  // What is no UTF-8 became replacement characters, which two ids could have in common.
  if (NAME.test(text) && Buffer.from(text).toString('latin1') === id) return text;
  throw new RingbackError('invalid_request', {
    faults: [{ field: header, message: 'expected 1 to 200 printable characters' }],
  });
}

/** As a list in JSON, so that no two pairs of source and event are written alike. */
function hashEvent(source: string, event: string): string {
  return hash('sha256', JSON.stringify([source, event]), 'base64url');
}
