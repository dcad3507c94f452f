/** The routes that the pages of the demo call. They are its own, and in no document of the API. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as schemas from '../http/schemas.ts';
import { eventKinds, type Provider } from './provider.ts';
import type { Shop } from './shop.ts';

const BODY_BYTES = 4_096;

const params = z.object({ order: z.string() });
const looking = { hide: true, params, querystring: schemas.noQuery };
const doing = { ...looking, body: schemas.noBody };
const ordering = { hide: true, querystring: schemas.noQuery, body: schemas.noBody };
const sending = { ...looking, body: z.strictObject({ kind: z.enum(eventKinds) }) };

export interface ShopRouteOptions {
  readonly shop: Shop;
  readonly provider: Provider;
}

export function addShop(app: FastifyInstance, { shop, provider }: ShopRouteOptions): void {
  const routes = app.withTypeProvider<ZodTypeProvider>();
  const common = { config: { rule: 'demo' }, bodyLimit: BODY_BYTES } as const;

  routes.post('/demo/orders', { ...common, schema: ordering }, async (_request, reply) => {
    return fresh(reply.code(201)).send(shop.newOrder());
  });

  routes.get('/demo/orders/:order', { ...common, schema: looking }, async (request, reply) => {
    return fresh(reply).send(await shop.trace(request.params.order));
  });

  routes.post('/demo/orders/:order/transaction', { ...common, schema: doing }, async (request, reply) => {
    return fresh(reply.code(201)).send(await shop.openTransaction(request.params.order));
  });

  routes.post('/demo/orders/:order/settle', { ...common, schema: doing }, async (request, reply) => {
    return fresh(reply).send(await shop.settle(request.params.order));
  });

  routes.post('/demo/orders/:order/events', { ...common, schema: sending }, async (request, reply) => {
    const order = shop.order(request.params.order);
    return fresh(reply).send({ calls: await provider.send(order, request.body.kind) });
  });
}

function fresh(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}
