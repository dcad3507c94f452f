/** Every limit, finite by default, with its unit and what it bounds. */
import { z } from 'zod';
import { integer } from './option.ts';

export interface LimitNote {
  readonly default: number;
  readonly largest: number;
  readonly unit: string;
  readonly text: string;
}

/** The notes, by schema; `docs/configuration.md` is made of them. */
export const limitNotes = z.registry<LimitNote>();

/** A hundred years: any instant this far away still has a date of four digits. */
export const LONGEST_SECONDS = 3_153_600_000;
/** Bodies are held as one text, and V8 has no texts above half a gigabyte. */
const LARGEST_BODY_BYTES = 268_435_456;
/** What `JSON.stringify` surely walks on any stack. */
const DEEPEST_JSON = 1000;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;

function limit(value: number, largest: number, note: { unit: string; text: string }): z.ZodDefault<z.ZodNumber> {
  const schema = integer(1, largest).default(value);
  limitNotes.add(schema, { ...note, default: value, largest });
  return schema;
}

/** A limit that, when not set, gives way to `ttlSecondsMax`. */
function ttlLimit(value: number, text: string): z.ZodExactOptional<z.ZodNumber> {
  const schema = integer(1, LONGEST_SECONDS).exactOptional();
  limitNotes.add(schema, { unit: 'seconds', text, default: value, largest: LONGEST_SECONDS });
  return schema;
}

const DAY_SECONDS = 86_400;

export const limitsObject = z.strictObject({
  ttlSecondsDefault: ttlLimit(DAY_SECONDS, 'Life of a transaction when its opening asks for none; at most `ttlSecondsMax`.'),
  ttlSecondsMax: limit(31_536_000, LONGEST_SECONDS, { unit: 'seconds', text: 'Longest life that an API key may ask for.' }),
  anonymousTtlSecondsMax: ttlLimit(
    DAY_SECONDS,
    'Longest life of a transaction that a page opens without a key; at most `ttlSecondsMax`.',
  ),
  messageBytes: limit(65_536, LARGEST_BODY_BYTES, { unit: 'bytes', text: '`data` of one message, as compact JSON.' }),
  batchBytes: limit(8_388_608, LARGEST_BODY_BYTES, { unit: 'bytes', text: 'Body of a batch of messages, as it is sent.' }),
  replyBytes: limit(8192, LARGEST_BODY_BYTES, { unit: 'bytes', text: 'The reply in an ack, as compact JSON.' }),
  metadataBytes: limit(4096, LARGEST_BODY_BYTES, { unit: 'bytes', text: '`metadata` of a transaction, as compact JSON.' }),
  jsonDepth: limit(64, DEEPEST_JSON, {
    unit: 'levels',
    text: 'Objects and lists inside each other in a body, or in one message of a batch; the outermost counts 1.',
  }),
  messagesPerTransaction: limit(100_000, UNBOUNDED, { unit: 'messages', text: 'Messages in one mailbox.' }),
  mailboxBytes: limit(67_108_864, UNBOUNDED, { unit: 'bytes', text: '`data` of all messages in one mailbox.' }),
  webhookBodyBytes: limit(1_048_576, LARGEST_BODY_BYTES, {
    unit: 'bytes',
    text: 'Body of a webhook, or of a call to a callback URL.',
  }),
  webhookDedupeSeconds: limit(3_024_000, LONGEST_SECONDS, {
    unit: 'seconds',
    text: 'How long the event id of a webhook is kept, to know it again.',
  }),
  parkedSeconds: limit(DAY_SECONDS, LONGEST_SECONDS, {
    unit: 'seconds',
    text: 'How long a webhook waits for the transaction with its reference.',
  }),
  parkedMessages: limit(100_000, UNBOUNDED, {
    unit: 'messages',
    text: 'Webhooks that wait for their transaction, in the whole store.',
  }),
  openTransactions: limit(1_000_000, UNBOUNDED, { unit: 'transactions', text: 'Open transactions in the whole store.' }),
  anonymousOpensPerMinute: limit(30, UNBOUNDED, {
    unit: 'a minute',
    text: 'Transactions opened without a key by one address (IPv6: one /64).',
  }),
  failedCredentialsPerMinute: limit(60, UNBOUNDED, {
    unit: 'a minute',
    text: 'Wrong credentials from one address (IPv6: one /64).',
  }),
});

export type LimitName = keyof typeof limitsObject.shape;
export type Limits = Readonly<Record<LimitName, number>>;

const YIELDING = ['ttlSecondsDefault', 'anonymousTtlSecondsMax'] as const satisfies LimitName[];

export const limitsSchema = limitsObject.transform((given, context): Limits => {
  for (const name of YIELDING) {
    if ((given[name] ?? 0) <= given.ttlSecondsMax) continue;
    const message = `expected at most ttlSecondsMax, which is ${given.ttlSecondsMax}, got ${given[name]}`;
    context.addIssue({ code: 'custom', path: [name], message });
  }
  const yielded = Math.min(DAY_SECONDS, given.ttlSecondsMax);
  return { ttlSecondsDefault: yielded, anonymousTtlSecondsMax: yielded, ...given };
});

export const defaultLimits: Limits = limitsSchema.parse({});
