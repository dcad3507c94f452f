/**
 * The HTTP API as a Fastify instance: how bodies are read, requests validated, errors answered. The routes are beside it.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { maxHeaderSize, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { RingbackError, type ErrorCode } from '../../errors.ts';
import { parseJsonBytes, type JsonDocument } from '../../json/json-text.ts';
import type { Logger } from '../../logger.ts';
import type { Access, Caller, Rule } from '../access.ts';
import type { Api } from '../api.ts';
import type { Limits } from '../configuration.ts';
import type { Metrics } from '../metrics.ts';
import type { WebhookReceiver } from '../../webhooks/receiver.ts';
import type { Origins } from '../origins.ts';
import { addBatch } from './batch.ts';
import { addCallbacks } from './callbacks.ts';
import { addCapabilities } from './capabilities.ts';
import { addHealth } from './health.ts';
import { addMessages } from './messages.ts';
import { addWithMethods } from './methods.ts';
import { addOpenApi, describeOpenApi } from './openapi.ts';
import { asRingbackError, placeOf, rawProblem, sendProblem } from './problem.ts';
import { EVERYWHERE } from './route.ts';
import { addTransactions } from './transactions.ts';
import { drainRest } from './unread-body.ts';
import { validatorCompiler } from './validate.ts';
import { addWebhooks, takeAnyBody } from './webhooks.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking, once the route's rule was applied. */
    caller: Caller | undefined;
    /** The body as it was sent; undefined when there was none. */
    document: JsonDocument | undefined;
  }
  interface FastifyContextConfig {
    /** Who may call this. Absent: anyone. */
    rule?: Rule;
    /** Pages of allowed origins may call this. */
    cors?: true;
    /** Levels of the body around what `jsonDepth` bounds. Default: none. */
    outerDepth?: number;
    /** Answers also while the server drains. */
    whileDraining?: true;
    /** What can go wrong here, besides what can go wrong with every request of this rule; for the document. */
    failures?: readonly ErrorCode[];
    /** Headers that mean something here; for the document. */
    headers?: Readonly<Record<string, string>>;
    /** Those without which nothing is done here; for the document. */
    requiredHeaders?: Readonly<Record<string, string>>;
  }
}

export interface AppOptions {
  readonly api: Api;
  readonly webhooks: WebhookReceiver;
  readonly access: Access;
  readonly origins: Origins;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Rejects when the server cannot do its work. */
  readonly checkReady: () => Promise<void>;
  readonly draining: AbortSignal;
  readonly prefix: string;
  /** Adds more routes, under the same rules. Default: none. */
  readonly addMore?: ((app: FastifyInstance) => void) | undefined;
  /** Makes the HTTP server around Fastify's listener. */
  readonly createServer: (listener: RequestListener) => Server;
}

/** Room for white space and the other members around the largest value. */
const BODY_OVERHEAD_BYTES = 1_048_576;
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({
    serverFactory: (listener) => options.createServer(listener),
    bodyLimit: bodyLimit(options.limits),
    clientErrorHandler: refuseUnreadable,
    // As long as a head can be: what is longer than any id is unknown like every other.
    routerOptions: { maxParamLength: maxHeaderSize },
    logger: false,
    frameworkErrors: (error, request, reply) => {
      drainRest(request.raw);
      sendProblem(reply, asRingbackError(error));
    },
  });
  readJson(app, options.limits.jsonDepth);
  app.setValidatorCompiler(validatorCompiler);
  // Answers are text already, or small objects.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => answerError({ error, request, reply }, options.logger));
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new RingbackError('not_found')));
  app.decorateRequest('caller', undefined);
  app.decorateRequest('document', undefined);
  observe(app, options);
  answerAlike(app);
  authorize(app, options);
  await describeOpenApi(app);
  await app.register(
    async (scope) => {
      addWithMethods(scope, options, () => {
        addTransactions(scope, options.api, options.limits);
        addCapabilities(scope, options.api);
        addMessages(scope, options.api);
        addBatch(scope, options);
        addCallbacks(scope, options);
        addHealth(scope, options);
        addOpenApi(scope);
        options.addMore?.(scope);
      });
    },
    { prefix: options.prefix },
  );
  await app.register(
    async (scope) => {
      takeAnyBody(scope);
      addWithMethods(scope, options, () => addWebhooks(scope, options));
    },
    { prefix: options.prefix },
  );
  await app.ready();
  return app;
}

/** Of the text as it is sent: values are measured without the white space around and in them. */
function bodyLimit({ messageBytes, metadataBytes, replyBytes }: Limits): number {
  return Math.max(messageBytes, metadataBytes, replyBytes) + BODY_OVERHEAD_BYTES;
}

/** What Node's parser could make no request of. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) socket.end(rawProblem(unreadable(error.code)));
  else socket.destroy(error);
}

function unreadable(code: string | undefined): RingbackError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new RingbackError('request_timeout');
  return new RingbackError(code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'malformed_request');
}

function readJson(app: FastifyInstance, maxDepth: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if (typeof body === 'string' || body.length === 0) return done(null, undefined);
      const document = parseJsonBytes(body, maxDepth + (request.routeOptions.config.outerDepth ?? 0));
      request.document = document;
      // Fastify hands a body of `null` to the validator like none at all.
      if (document.value === null)
        throw new RingbackError('invalid_request', { faults: [{ field: '', message: 'expected an object' }] });
      done(null, document.value);
    } catch (error) {
      done(asRingbackError(error));
    }
  });
}

/** Decides who may go on before a byte of the body is read. Like all hooks here it calls back: a promise more a request is dear. */
function authorize(app: FastifyInstance, { access, draining }: AppOptions): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { rule, whileDraining } = request.routeOptions.config;
    if (draining.aborted && whileDraining !== true) throw new RingbackError('draining');
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new RingbackError('unsupported_media_type', {
        detail: 'a compressed body is not taken; send it without Content-Encoding',
      });
    }
    if (rule === undefined) return done();
    const goOn = (caller: Caller): void => {
      request.caller = caller;
      done();
    };
    const caller = access.authorize(request.raw, rule, (parameter) => pathParameter(request, parameter));
    if (caller instanceof Promise) caller.then(goOn, done);
    else goOn(caller);
  });
}

/** On all answers, so that a refusal looks alike wherever it comes from, also where there is nothing. */
function answerAlike(app: FastifyInstance): void {
  // oxlint-disable-next-line max-params -- Fastify's own form
  app.addHook('onSend', ({ raw }, reply, payload, done) => {
    drainRest(raw);
    void reply.headers(EVERYWHERE);
    done(null, payload);
  });
}

function observe(app: FastifyInstance, { metrics, logger }: AppOptions): void {
  app.addHook('onResponse', (request, reply, done) => {
    // The pattern, never the path: callback URLs are secrets.
    const route = patternOf(request);
    const { method } = request;
    const status = reply.statusCode;
    const ms = reply.elapsedTime;
    metrics.requests.inc({ method, route, status });
    metrics.requestSeconds.observe({ route }, ms / 1000);
    const fields = { event: 'http.request', method, route, status, ms: Math.round(ms * 10) / 10 };
    if (status < 400) logger.debug(fields);
    else logger.info(fields);
    done();
  });
}

function answerError(
  { error, request, reply }: { error: unknown; request: FastifyRequest; reply: FastifyReply },
  logger: Logger,
): void {
  const known = asRingbackError(error);
  if (known.code === 'internal_error') {
    logger.error({ event: 'http.error', route: patternOf(request), error: placeOf(error) });
  }
  sendProblem(reply, known);
}

/** As people write it: where a colon stands for itself, the router has it doubled. */
function patternOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.url?.replace('::', ':') ?? 'unknown';
}

/** The parameter of the path as it was decoded. */
function pathParameter(request: FastifyRequest, name: string): string | undefined {
  const { params } = request;
  if (typeof params !== 'object' || params === null || !Object.hasOwn(params, name)) return undefined;
  const value: unknown = Reflect.get(params, name);
  return typeof value === 'string' ? value : undefined;
}
