/** Routes of a mailbox: send, read, ack, and what became of a message. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Api } from '../api.ts';
import { IDEMPOTENCY_KEY, idempotencyKeyOf } from './idempotency-key.ts';
import { preferredWaitSeconds } from './prefer.ts';
import { documented, json, straightJson } from './route.ts';
import * as schemas from './schemas.ts';

const sending = {
  ...documented(
    'Send a message',
    'Committed when it is answered. `Prefer: wait=<s>` (30 at most) waits for the page; `Idempotency-Key`, or `id` in the body, makes repeating safe.',
  ),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  body: schemas.sendBody,
  response: { 200: schemas.sent, 202: schemas.sent },
};

const reading = {
  ...documented(
    'Read messages',
    'The fallback of a page that has no connection; what is read by an access token counts as delivered.',
  ),
  params: schemas.transactionParams,
  querystring: schemas.readQuery,
  response: { 200: schemas.messageList },
};

const looking = {
  ...documented('Look at a message', 'How far it got.'),
  params: schemas.messageParams,
  querystring: schemas.noQuery,
  response: { 200: schemas.receipt },
};

const acking = {
  ...documented(
    'Acknowledge messages',
    'For a page that polls: everything up to `sequence` was handled, or that one message failed for good.',
  ),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  body: schemas.ackBody,
  response: { 204: schemas.nothing },
};

const SEND_FAILURES = [
  'transaction_not_found',
  'idempotency_conflict',
  'mailbox_full',
  'transaction_settled',
  'transaction_expired',
  'data_too_large',
] as const;
const SEND_HEADERS = {
  'Idempotency-Key': `${IDEMPOTENCY_KEY} Equal to \`id\`, if both are given.`,
  Prefer: '`wait=<seconds>`, 30 at most: waits for the answer of the page.',
} as const;

export function addMessages(app: FastifyInstance, api: Api): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();

  const config = { rule: 'api-key', failures: SEND_FAILURES, headers: SEND_HEADERS } as const;
  routes.post('/v1/transactions/:id/messages', { config, schema: sending }, async (request, reply) => {
    const { type, id } = request.body;
    const answer = await api.send(request.params.id, {
      type,
      id,
      data: request.document?.member('data') ?? 'null',
      idempotencyKey: idempotencyKeyOf(request.headers['idempotency-key']),
      waitSeconds: preferredWaitSeconds(request.headers['prefer']),
    });
    straightJson(reply, answer.status, answer.json);
  });

  routes.get(
    '/v1/transactions/:id/messages',
    { config: { rule: 'api-key-or-own-token', cors: true, failures: ['transaction_not_found'] }, schema: reading },
    async (request, reply) => {
      // A HEAD hands nothing over.
      const isDelivery = request.caller?.kind === 'page' && request.method === 'GET';
      return json(reply, await api.messages(request.params.id, request.query, isDelivery));
    },
  );

  routes.get(
    '/v1/transactions/:id/messages/:messageId',
    { config: { rule: 'api-key', failures: ['message_not_found'] }, schema: looking },
    async (request, reply) => json(reply, await api.receipt(request.params.id, request.params.messageId)),
  );

  routes.post(
    '/v1/transactions/:id/acks',
    { config: { rule: 'own-token', cors: true, failures: ['reply_too_large', 'sequence_out_of_range'] }, schema: acking },
    async (request, reply) => {
      const { sequence, error } = request.body;
      const answer = request.document?.member('reply');
      await api.acknowledge(request.params.id, {
        sequence,
        ...(answer !== undefined && { reply: answer }),
        ...(error !== undefined && { error }),
      });
      return reply.code(204).send(null);
    },
  );
}
