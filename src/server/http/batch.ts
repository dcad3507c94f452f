/** The route that takes many messages at once, for many transactions: one commit, and a result for each. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { RingbackError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Api } from '../api.ts';
import type { Limits } from '../configuration.ts';
import { resultsJson } from '../wire.ts';
import { batchBody, batchResults } from './batch-schemas.ts';
import { preferredWaitSeconds } from './prefer.ts';
import { placeOf } from './problem.ts';
import { documented, json } from './route.ts';
import * as schemas from './schemas.ts';

export interface BatchOptions {
  readonly api: Api;
  readonly limits: Limits;
  readonly logger: Logger;
}

const ROUTE = '/v1/messages:batch';

/** The body and its list: a message may be as deep here as it may be alone. */
const OUTER_DEPTH = 2;

const sending = {
  ...documented(
    'Send many messages',
    'All that are stored are in one commit, and the answer comes after it: a result for each, in the order of the messages. `id` makes repeating safe; `Idempotency-Key` and `Prefer: wait` are refused.',
  ),
  querystring: schemas.noQuery,
  body: batchBody,
  response: { 200: batchResults },
};

export function addBatch(app: FastifyInstance, { api, limits, logger }: BatchOptions): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    // To the router, a single colon begins the name of a parameter.
    ROUTE.replace(':', '::'),
    { config: { rule: 'api-key', outerDepth: OUTER_DEPTH }, bodyLimit: limits.batchBytes, schema: sending },
    async ({ headers, body, document }, reply) => {
      refuseHeadersOfOne(headers);
      const data = document?.memberOfEach('messages', 'data') ?? [];
      const messages = body.messages.map(({ transaction, type, id }, index) => ({
        transaction,
        type,
        id,
        data: data[index] ?? 'null',
      }));
      const outcomes = await api.sendAll(messages);
      for (const outcome of outcomes) {
        if ('code' in outcome && outcome.code === 'internal_error')
          logger.error({ event: 'http.error', route: ROUTE, error: placeOf(outcome) });
      }
      return json(reply, resultsJson(outcomes));
    },
  );
}

/** @throws RingbackError invalid_request, for what only the send of a single message heeds */
function refuseHeadersOfOne(headers: Readonly<Record<string, string | string[] | undefined>>): void {
  const faults = [];
  if (headers['idempotency-key'] !== undefined) {
    faults.push({ field: 'Idempotency-Key', message: 'not for a batch; give each message an "id" of its own instead' });
  }
  if (preferredWaitSeconds(headers['prefer']) !== undefined) {
    faults.push({ field: 'Prefer', message: 'a batch does not wait; ask for the receipts of its messages instead' });
  }
  if (faults.length > 0) throw new RingbackError('invalid_request', { faults });
}
