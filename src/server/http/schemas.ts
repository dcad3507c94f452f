/**
 * What the HTTP API takes and gives: the schemas that validate requests are the ones that the OpenAPI document is made of.
 */
import { z } from 'zod';
import { errorKinds } from '../../errors.ts';
import { isTransactionId, MESSAGE_TYPE, NAME } from '../../transactions/names.ts';
import type { Limits } from '../configuration.ts';

/** A decimal that JavaScript holds exactly. */
const COUNT = /^\d{1,15}$/;

/** Keys, ids and references. */
export const name = z.string().regex(NAME, 'expected 1 to 200 printable characters').meta({ minLength: 1, maxLength: 200 });

/** A name that a webhook could not be told from an id would never be found by it. */
export const newReference = name
  .refine((text) => !isTransactionId(text), 'expected another beginning than txn_, by which webhooks know an id')
  .describe('The name of the transaction in the app, unique among live ones. Never begins with `txn_`.');

export const messageType = z
  .string()
  .regex(MESSAGE_TYPE, 'expected 1 to 100 characters of A-Z, a-z, 0-9 and . _ : / -')
  .describe('What happened, in the words of the app.');

/** Any JSON value; what is checked of it is its text. */
const anyJson = z.unknown().refine((value) => value !== undefined, 'required');
const optionalJson = z.unknown().optional();

const sequence = z.int().min(1).describe('1, 2, 3 … without a gap within a transaction.');
const instant = z.iso.datetime().describe('ISO 8601, UTC, milliseconds.');

function queryCount(min: number, max: number) {
  return z
    .string()
    .regex(COUNT, `expected an integer from ${min} to ${max}`)
    .transform(Number)
    .refine((count) => count >= min && count <= max, `expected an integer from ${min} to ${max}`)
    .meta({ type: 'integer', minimum: min, maximum: max });
}

export const transactionParams = z.object({ id: z.string().describe('`txn_…`') });
export const tokenParams = transactionParams.extend({ tokenId: z.string() });
export const callbackParams = transactionParams.extend({ callbackId: z.string() });
export const messageParams = transactionParams.extend({ messageId: z.string() });
export const secretParams = z.object({ secret: z.string().describe('The last part of the callback URL.') });

export const sourceParams = z.object({ source: z.string().describe('The name of the source in the configuration.') });

export const noBody = z.strictObject({});
export const noQuery = z.strictObject({});
export const referenceQuery = z.strictObject({ reference: name });
export const readQuery = z.strictObject({
  after: queryCount(0, 999_999_999_999_999).default(0),
  limit: queryCount(1, 1000).default(100),
});

export const sendBody = z.strictObject({
  type: messageType,
  data: anyJson.describe('Any JSON value. Kept and handed on as it was sent.'),
  id: name.optional().describe('Becomes the id of the message, and is its idempotency key.'),
});

export const ackBody = z
  .strictObject({
    sequence,
    reply: optionalJson.describe('What the handler answered; shown to a sender that waits.'),
    error: z.string().optional().describe('The handler failed, for good. Not together with a reply.'),
  })
  .refine((body) => body.error === undefined || body.reply === undefined, {
    path: ['error'],
    message: 'expected either a reply or an error',
  });

export const callbackBody = z
  .record(z.string(), z.unknown())
  .describe('Any JSON object; becomes the data of a message of type `callback`.');

/** The bytes as they came; that they are JSON is looked at when it is known whose they are. */
export const webhookBody = z
  .unknown()
  .meta({ type: 'object', description: 'What happened, as the provider writes it: JSON, whatever `Content-Type` says of it.' });

/** @param limits those of this server, which are in its schema */
export function openBody(limits: Limits) {
  return z.strictObject({
    ttlSeconds: z
      .int()
      .min(1)
      .max(limits.ttlSecondsMax)
      .optional()
      .describe(`How long it takes messages. Default ${limits.ttlSecondsDefault}.`),
    metadata: z
      .unknown()
      .refine((value) => value === undefined || isObject(value), 'expected an object')
      .optional()
      .meta({ type: 'object', description: 'Kept for the back end; the page never sees it.' }),
    reference: newReference.optional(),
  });
}

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.enum(Object.keys(errorKinds)),
    detail: z.string().optional(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .describe('RFC 9457; `code` is stable.');

export const opened = z.object({
  id: z.string(),
  accessToken: z.string().describe('For the browser: receives the messages of this transaction.'),
  tokenId: z.string(),
  expiresAt: instant,
  hubUrl: z.string(),
  callbackUrl: z.string().optional().describe('For a provider: sends to this transaction. With an API key only.'),
  callbackId: z.string().optional(),
});

const state = z.enum(['open', 'settled', 'expired']);

export const transaction = z.object({
  id: z.string(),
  state,
  createdAt: instant,
  expiresAt: instant,
  lastSequence: z.int(),
  ackedSequence: z.int().describe('The highest n such that 1 … n are each handled or failed.'),
  connections: z.array(
    z.object({
      id: z.string(),
      node: z.string(),
      transport: z.enum(['WebSockets', 'ServerSentEvents', 'LongPolling']),
      since: instant,
    }),
  ),
  reference: z.string().optional().describe('For an API key only.'),
  metadata: z.record(z.string(), z.unknown()).optional().describe('For an API key only.'),
});

export const transactionList = z.object({ transactions: z.array(transaction) });
export const settled = z.object({ id: z.string(), state });
export const mintedToken = z.object({ tokenId: z.string(), accessToken: z.string() });
export const mintedCallback = z.object({ callbackUrl: z.string(), callbackId: z.string() });

const message = z.object({ id: z.string(), sequence, type: z.string(), data: z.unknown(), time: instant });

export const messageList = z.object({ messages: z.array(message), lastSequence: z.int(), ackedSequence: z.int(), state });

const status = z.enum(['stored', 'delivered', 'handled', 'failed', 'expired']);
const outcome = { reply: z.unknown().optional(), error: z.string().optional() };

export const sent = z.object({ id: z.string(), sequence, status, duplicate: z.boolean(), ...outcome });

export const receipt = z.object({
  id: z.string(),
  sequence,
  status,
  storedAt: instant,
  deliveredAt: instant.optional(),
  handledAt: instant.optional(),
  attempts: z.int().describe('Deliveries over all connections.'),
  ...outcome,
});

export const health = z.object({ status: z.string() });
export const taken = z.object({}).describe('Taken.');
export const verified = z.object({}).describe('Verified; whatever became of it, it is not to be sent again.');
export const nothing = z.null().describe('Nothing.');
export const document = z.record(z.string(), z.unknown());

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
