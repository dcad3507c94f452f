/** Routes that give out access tokens and callback URLs, and take them back. */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Api } from '../api.ts';
import { documented } from './route.ts';
import * as schemas from './schemas.ts';

const makingToken = {
  ...documented('Make an access token', 'For one more browser, or a fresh one for the same.'),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  body: schemas.noBody,
  response: { 201: schemas.mintedToken },
};

const revokingToken = {
  ...documented('Revoke an access token', 'Its connections close within 5 s.'),
  params: schemas.tokenParams,
  querystring: schemas.noQuery,
  response: { 204: schemas.nothing },
};

const makingCallback = {
  ...documented('Make a callback URL', 'Whoever has it can send to this transaction, and nothing else.'),
  params: schemas.transactionParams,
  querystring: schemas.noQuery,
  body: schemas.noBody,
  response: { 201: schemas.mintedCallback },
};

const revokingCallback = {
  ...documented('Revoke a callback URL', 'From then on it is 404.'),
  params: schemas.callbackParams,
  querystring: schemas.noQuery,
  response: { 204: schemas.nothing },
};

export function addCapabilities(app: FastifyInstance, api: Api): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const adding = { rule: 'api-key', failures: ['transaction_not_found'] } as const;

  routes.post('/v1/transactions/:id/tokens', { config: adding, schema: makingToken }, async (request, reply) => {
    void reply.code(201).header('cache-control', 'no-store');
    return api.addToken(request.params.id);
  });

  const losingToken = { rule: 'api-key', failures: ['transaction_not_found', 'token_not_found'] } as const;
  routes.delete(
    '/v1/transactions/:id/tokens/:tokenId',
    { config: losingToken, schema: revokingToken },
    async (request, reply) => {
      await api.revokeToken(request.params.id, request.params.tokenId);
      return reply.code(204).send(null);
    },
  );

  routes.post('/v1/transactions/:id/callbacks', { config: adding, schema: makingCallback }, async (request, reply) => {
    void reply.code(201).header('cache-control', 'no-store');
    return api.addCallback(request.params.id);
  });

  const losingCallback = { rule: 'api-key', failures: ['transaction_not_found', 'callback_not_found'] } as const;
  routes.delete(
    '/v1/transactions/:id/callbacks/:callbackId',
    { config: losingCallback, schema: revokingCallback },
    async (request, reply) => {
      await api.revokeCallback(request.params.id, request.params.callbackId);
      return reply.code(204).send(null);
    },
  );
}
