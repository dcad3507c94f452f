/** The route of the callback URLs: whoever holds one sends to its transaction, and learns nothing of it. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { RingbackError } from '../../errors.ts';
import type { Api } from '../api.ts';
import type { Limits } from '../configuration.ts';
import { IDEMPOTENCY_KEY, idempotencyKeyOf } from './idempotency-key.ts';
import { documented } from './route.ts';
import * as schemas from './schemas.ts';

export interface CallbackOptions {
  readonly api: Api;
  readonly limits: Limits;
}

export function addCallbacks(app: FastifyInstance, { api, limits }: CallbackOptions): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/callbacks/:secret',
    {
      config: {
        rule: 'callback',
        failures: ['idempotency_conflict', 'mailbox_full', 'data_too_large'],
        headers: { 'Idempotency-Key': IDEMPOTENCY_KEY },
      },
      bodyLimit: limits.webhookBodyBytes,
      schema: {
        ...documented(
          'Call back',
          'The body becomes the data of a message of type `callback`. A repeat with the same key, and a settled or expired transaction, are answered alike.',
        ),
        params: schemas.secretParams,
        body: schemas.callbackBody,
        response: { 202: schemas.taken },
      },
    },
    async ({ caller, document, headers }, reply) => {
      if (caller?.kind !== 'callback') throw new RingbackError('not_found');
      if (document === undefined)
        throw new RingbackError('invalid_request', { faults: [{ field: '', message: 'expected a JSON object' }] });
      await api.callBack(caller.transactionId, document.compact, idempotencyKeyOf(headers['idempotency-key']));
      return reply.code(202).send({});
    },
  );
}
