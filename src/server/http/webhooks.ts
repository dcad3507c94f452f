/** The route of the webhooks: raw bytes in, for whatever source the path names, and the answer that its provider expects. */
import type { FastifyInstance, FastifyRequest, FastifySchema } from 'fastify';
import { RingbackError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { SignatureRefusal, type Received, type WebhookReceiver } from '../../webhooks/receiver.ts';
import type { RefusalCause } from '../../webhooks/verify.ts';
import type { Limits } from '../configuration.ts';
import type { Metrics } from '../metrics.ts';
import { sendCommitted } from '../milestones.ts';
import { asRingbackError } from './problem.ts';
import { documented, json } from './route.ts';
import * as schemas from './schemas.ts';

export interface WebhookRouteOptions {
  readonly webhooks: WebhookReceiver;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

const FAILURES = [
  'bad_signature',
  'not_found',
  'mailbox_full',
  'data_too_large',
  'too_many_parked',
  'store_unavailable',
] as const;

const HEADERS = {
  'webhook-id': 'Of the event: the same in each attempt. Part of what is signed.',
  'webhook-timestamp': 'Unix time in seconds, at most 300 from ours. Part of what is signed.',
  'webhook-signature': '`v1,` and base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`; several are separated by spaces.',
} as const;

const schema: FastifySchema = {
  ...documented(
    'Tell of an event',
    'For a provider, verified by its signature (Standard Webhooks). Answered alike whatever became of it: stored, parked, known already, or of no use.',
  ),
  params: schemas.sourceParams,
  consumes: ['*/*'],
  body: schemas.webhookBody,
  response: { 200: schemas.verified },
};

/** What is signed is bytes, whatever they are said to be: of this part of the app every body is read as it is. */
export function takeAnyBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async ({ headers }) => {
    // One that is malformed would be refused before it is found that nobody wants to know.
    delete headers['content-type'];
  });
}

export function addWebhooks(app: FastifyInstance, { webhooks, limits, metrics, logger }: WebhookRouteOptions): void {
  const note = (request: FastifyRequest, ms: number, result: Received | RingbackError): void => {
    const source = sourceOf(request);
    // A name that nobody has configured is anybody's text.
    if (!webhooks.has(source)) return;
    const outcome = result instanceof RingbackError ? result.code : result.outcome;
    const cause = refusalCause(result);
    metrics.webhooks.inc({ source, outcome });
    if (cause !== undefined) metrics.webhookRefusals.inc({ source, cause });
    const fields = { event: 'webhook.received', source, outcome, ...(cause !== undefined && { cause }) };
    logger[levelOf(result)]({ ...fields, ms: Math.round(ms * 10) / 10 });
  };
  app.post(
    '/webhooks/:source',
    {
      config: { failures: FAILURES, requiredHeaders: HEADERS },
      bodyLimit: limits.webhookBodyBytes,
      schema,
      onRequest: async (request) => {
        if (!webhooks.has(sourceOf(request))) throw new RingbackError('not_found');
      },
      onError: async (request, reply, error) => note(request, reply.elapsedTime, asRingbackError(error)),
    },
    async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const received = await webhooks.receive(sourceOf(request), { headers: request.raw.headersDistinct, body });
      if (received.outcome === 'stored') noteStored(received.message, metrics);
      note(request, reply.elapsedTime, received);
      return json(reply.code(received.answer.status), received.answer.json);
    },
  );
}

/** Why a signature is bad; `verifier`: nobody knows, since the verifier itself has failed. */
function refusalCause(result: Received | RingbackError): RefusalCause | 'verifier' | undefined {
  if (!(result instanceof RingbackError) || result.code !== 'bad_signature') return undefined;
  return result.cause instanceof SignatureRefusal ? result.cause.reason : 'verifier';
}

function levelOf(result: Received | RingbackError): keyof Logger {
  if (result instanceof RingbackError) return refusalCause(result) === 'verifier' ? 'error' : 'info';
  if (result.outcome === 'unroutable') return 'warn';
  return result.outcome === 'stored' || result.outcome === 'duplicate' ? 'debug' : 'info';
}

function noteStored({ transactionId, sequence }: { transactionId: string; sequence: number }, metrics: Metrics): void {
  metrics.messages.inc({ outcome: 'stored' });
  if (sendCommitted.hasSubscribers) sendCommitted.publish({ transactionId, sequence });
}

/** As the path has it. */
function sourceOf({ params }: FastifyRequest): string {
  const source: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'source') : undefined;
  return typeof source === 'string' ? source : '';
}
