/**
 * What a URL answers to methods it does not have: 405, or, for a browser that asks first, what its pages may do here.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { METHODS } from 'node:http';
import { RingbackError } from '../../errors.ts';
import type { Access } from '../access.ts';
import type { Origins } from '../origins.ts';

/** How long a browser may remember the answer to a preflight. */
const MAX_AGE_SECONDS = 600;
/** Every method that a request can come with; CONNECT never reaches a route. */
const ALL: readonly HTTPMethods[] = METHODS.filter((method) => method !== 'CONNECT');

export interface MethodsOptions {
  readonly origins: Origins;
  readonly access: Access;
}

interface Url {
  readonly methods: Set<string>;
  /** Those that pages of allowed origins may use. */
  readonly forPages: Set<string>;
}

/** Adds routes to the app by `add`, then, for each of their URLs, the answers to all other methods. */
export function addWithMethods(app: FastifyInstance, options: MethodsOptions, add: () => void): void {
  for (const method of ALL) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  const urls = new Map<string, Url>();
  let isComplete = false;
  app.addHook('onRoute', ({ method, routePath, config }) => {
    if (isComplete) return;
    const url = urls.get(routePath) ?? { methods: new Set(), forPages: new Set() };
    urls.set(routePath, url);
    for (const each of [method].flat()) {
      url.methods.add(each);
      if (config?.cors === true) url.forPages.add(each);
    }
  });
  // oxlint-disable-next-line max-params -- Fastify's own form
  app.addHook('onSend', (request, reply, payload, done) => {
    tellOrigin(request, reply, options);
    done(null, payload);
  });
  add();
  isComplete = true;
  for (const [path, url] of urls) addOthers(app, { ...url, path, origins: options.origins });
}

function addOthers(
  app: FastifyInstance,
  { path, methods, forPages, origins }: Url & { readonly path: string; readonly origins: Origins },
): void {
  const allow = [...methods].join(', ');
  const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<never> => {
    void reply.header('allow', allow);
    throw new RingbackError('method_not_allowed', { detail: `expected ${allow}` });
  };
  const answerOptions = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { origin } = request.headers;
    const wanted = request.headers['access-control-request-method'];
    if (origin === undefined || wanted === undefined || forPages.size === 0) return refuse(request, reply);
    if (!origins.isAllowed(origin) || !forPages.has(wanted)) throw new RingbackError('origin_not_allowed');
    allowOrigin(reply, origin);
    void reply.headers({
      'access-control-allow-methods': [...forPages].join(', '),
      'access-control-allow-headers': 'authorization, content-type, prefer, x-requested-with, x-signalr-user-agent',
      'access-control-max-age': String(MAX_AGE_SECONDS),
    });
    return reply.code(204).send();
  };
  // Answered as hooks, before anybody looks at a body or at what it is said to be.
  const others = ALL.filter((method) => !methods.has(method) && method !== 'OPTIONS');
  app.route({ method: others, url: path, schema: { hide: true }, onRequest: refuse, handler: refuse });
  app.options(path, { schema: { hide: true }, onRequest: answerOptions }, answerOptions);
}

/** An API key gets no CORS headers, whatever its Origin; a refusal does, so that the page can read it. */
function tellOrigin(
  { routeOptions, headers, raw }: FastifyRequest,
  reply: FastifyReply,
  { origins, access }: MethodsOptions,
): void {
  const { origin } = headers;
  if (routeOptions.config.cors !== true || origin === undefined || !origins.isAllowed(origin)) return;
  if (!access.showsApiKey(raw)) allowOrigin(reply, origin);
}

function allowOrigin(reply: FastifyReply, origin: string): void {
  void reply.headers({
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'retry-after',
  });
}
