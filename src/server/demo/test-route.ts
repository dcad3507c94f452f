/**
 * `POST /test`, as the article does it: looks up who is connected, and sends to that browser. Only to transactions that a
 * page of this very server has opened without a back end, so that it is no way around an API key.
 */
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { RingbackError } from '../../errors.ts';
import type { Transactions } from '../../transactions/transactions.ts';
import type { Api } from '../api.ts';
import { documented } from '../http/route.ts';
import * as schemas from '../http/schemas.ts';
import type { Origins } from '../origins.ts';
import type { SentView } from '../wire.ts';

export interface TestRouteOptions {
  readonly api: Pick<Api, 'send'>;
  readonly transactions: Pick<Transactions, 'get'>;
  /** Those of this server itself. */
  readonly ownOrigins: Pick<Origins, 'isAllowed'>;
}

const FAILURES = ['transaction_not_found', 'mailbox_full', 'data_too_large'] as const;

const schema = {
  ...documented(
    'Send to the page that waits',
    'With `--demo` only, and only for a transaction that a page of this server has opened anonymously; any other is unknown here. From another machine, or behind a public URL, with the API key. `connections` are those that the message goes to now; without one it is kept and waits, as every message.',
  ),
  querystring: schemas.noQuery,
  body: z.strictObject({
    transaction: z.string().describe('`txn_…`'),
    type: schemas.messageType.default('test'),
    data: z.unknown().optional().describe('Any JSON value. Default null.'),
  }),
  response: { 202: schemas.sent.extend({ connections: z.array(z.string()).describe('Ids of connections.') }) },
};

export function addTest(app: FastifyInstance, { api, transactions, ownOrigins }: TestRouteOptions): void {
  app
    .withTypeProvider<ZodTypeProvider>()
    .post('/test', { config: { rule: 'demo', failures: FAILURES }, schema }, async (request, reply) => {
      const { transaction: id, type } = request.body;
      const { anonymousOrigin, connections } = await transactions.get(id);
      if (anonymousOrigin === undefined || !ownOrigins.isAllowed(anonymousOrigin))
        throw new RingbackError('transaction_not_found');
      const { json } = await api.send(id, { type, data: request.document?.member('data') ?? 'null' }).catch((error: unknown) => {
        // That it has ended is for the back end to know.
        if (error instanceof RingbackError && error.status === 410 && request.caller?.kind !== 'api-key')
          throw new RingbackError('transaction_not_found');
        throw error;
      });
      const sent: SentView = JSON.parse(json);
      return reply
        .code(202)
        .header('cache-control', 'no-store')
        .send({ ...sent, connections: connections.map((connection) => connection.id) });
    });
}
