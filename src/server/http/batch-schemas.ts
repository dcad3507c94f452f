/** What a batch takes and gives; apart from the others, since an app that embeds the server sends batches too. */
import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import { sendBody, sent } from './schemas.ts';

const MOST_MESSAGES = 1000;
const MANY = `expected 1 to ${MOST_MESSAGES} messages`;

const message = sendBody.extend({ transaction: z.string().describe('`txn_…`') });

/** Counted first: one that is far too long is not looked into. */
export const batch = z
  .array(z.unknown(), MANY)
  .min(1, MANY)
  .max(MOST_MESSAGES, MANY)
  .pipe(z.array(message))
  .meta({ items: z.toJSONSchema(message, { io: 'input' }) });

export const batchBody = z.strictObject({ messages: batch });

const REFUSALS = [
  'transaction_not_found',
  'idempotency_conflict',
  'mailbox_full',
  'transaction_settled',
  'transaction_expired',
  'data_too_large',
  'internal_error',
  'store_unavailable',
] as const satisfies ErrorCode[];

const stored = sent.pick({ id: true, sequence: true, duplicate: true }).extend({ status: z.literal('stored') });
const refused = z
  .object({
    error: z.object({
      code: z.enum(REFUSALS),
      status: z.int().min(400).max(599),
      title: z.string(),
      detail: z.string().optional(),
    }),
  })
  .describe('As a request for this message alone would have been refused.');

export const batchResults = z.object({
  results: z.array(z.union([stored, refused])).describe('One for each message, in their order.'),
});
