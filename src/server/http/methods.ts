/**
 * What a URL answers to methods it does not have: 405, or, for a browser that asks first, what its pages may do here.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { RingbackError } from '../../errors.ts';
import type { Origins } from '../origins.ts';

/** How long a browser may remember the answer to a preflight. */
const MAX_AGE_SECONDS = 600;
const ALL: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

interface Url {
  readonly methods: Set<string>;
  /** Those that pages of allowed origins may use. */
  readonly forPages: Set<string>;
}

/** Adds routes to the app by `add`, then, for each of their URLs, the answers to all other methods. */
export function addWithMethods(app: FastifyInstance, origins: Origins, add: () => void): void {
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
  app.addHook('onSend', async (request, reply) => tellOrigin(request, reply, origins));
  add();
  isComplete = true;
  for (const [path, url] of urls) addOthers(app, { ...url, path, origins });
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
  app.route({
    method: ALL.filter((method) => !methods.has(method) && method !== 'OPTIONS'),
    url: path,
    schema: { hide: true },
    handler: refuse,
  });
  app.options(path, { schema: { hide: true } }, async (request, reply) => {
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
  });
}

/** An API key gets no CORS headers, whatever its Origin; a refusal does, so that the page can read it. */
function tellOrigin(request: FastifyRequest, reply: FastifyReply, origins: Origins): void {
  if (request.routeOptions.config.cors !== true) return;
  const { origin } = request.headers;
  if (origin === undefined || request.caller?.kind === 'api-key' || !origins.isAllowed(origin))
    void reply.header('vary', 'Origin');
  else allowOrigin(reply, origin);
}

function allowOrigin(reply: FastifyReply, origin: string): void {
  void reply.headers({
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'retry-after',
  });
}
