/** Routes of a transaction's life and of the capabilities that it gives out. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Api } from '../api.ts';
import type { Limits } from '../configuration.ts';
import { documented, json } from './route.ts';
import * as schemas from './schemas.ts';

const opening = (limits: Limits) => ({
  ...documented(
    'Open a transaction',
    'With an API key; or without any credential by a page of an allowed origin, and then only `ttlSeconds` is heeded.',
  ),
  querystring: schemas.noQuery,
  body: schemas.openBody(limits),
  response: { 201: schemas.opened },
});

const finding = {
  ...documented('Find transactions by reference', 'Newest first; at most one of them is open.'),
  querystring: schemas.referenceQuery,
  response: { 200: schemas.transactionList },
};

const looking = {
  ...documented('Look at a transaction', 'With its connections of this moment. `metadata` and `reference` for an API key only.'),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  response: { 200: schemas.transaction },
};

const settling = {
  ...documented('Settle a transaction', 'No more messages will come; the page gets what is left, then `closed`.'),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  body: schemas.noBody,
  response: { 200: schemas.settled },
};

const forgetting = {
  ...documented('Forget a transaction', 'By the time of the answer nothing of it is left.'),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  response: { 204: schemas.nothing },
};

const OPEN_FAILURES = ['reference_taken', 'metadata_too_large', 'too_many_transactions'] as const;
const UNKNOWN = ['transaction_not_found'] as const;

export function addTransactions(app: FastifyInstance, api: Api, limits: Limits): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();

  routes.post(
    '/v1/transactions',
    { config: { rule: 'anonymous', cors: true, failures: OPEN_FAILURES }, schema: opening(limits) },
    async (request, reply) => {
      const { ttlSeconds, reference } = request.body;
      const { caller } = request;
      void reply.code(201).header('cache-control', 'no-store');
      if (caller?.kind === 'anonymous') return api.openAnonymously({ ttlSeconds }, caller.origin);
      return api.open({ ttlSeconds, reference, metadata: request.document?.member('metadata') });
    },
  );

  routes.get('/v1/transactions', { config: { rule: 'api-key' }, schema: finding }, async (request, reply) =>
    json(reply, await api.transactionsByReference(request.query.reference)),
  );

  routes.get(
    '/v1/transactions/:id',
    { config: { rule: 'api-key-or-own-token', cors: true, failures: UNKNOWN }, schema: looking },
    async (request, reply) => json(reply, await api.transaction(request.params.id, request.caller?.kind === 'api-key')),
  );

  routes.post(
    '/v1/transactions/:id/settle',
    { config: { rule: 'api-key', failures: UNKNOWN }, schema: settling },
    async (request) => api.settle(request.params.id),
  );

  routes.delete(
    '/v1/transactions/:id',
    { config: { rule: 'api-key', failures: UNKNOWN }, schema: forgetting },
    async (request, reply) => {
      await api.forget(request.params.id);
      return reply.code(204).send(null);
    },
  );
}
