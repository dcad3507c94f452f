/**
 * An endpoint as a plugin of Fastify.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { attachUpgrades, checkMountable, type Mountable } from './attach.ts';

/**
 * For `app.register(fastifyPlugin(endpoint), { prefix: '/hub' })`, on HTTP/1.1. Hooks of the app see its requests; answers are the
 * endpoint's own. Before the app closes, its connections are.
 */
export function fastifyPlugin(endpoint: Mountable & AsyncDisposable): (scope: FastifyInstance) => Promise<void> {
  checkMountable(endpoint);
  return async (scope) => {
    // Bodies are read by the endpoint, as they come.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const path of ['/', '/negotiate', '/refresh']) {
      scope.all(path, (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack();
        endpoint.handle(request.raw, reply.raw, path);
      });
    }
    const detach = attachUpgrades(scope.server, scope.prefix, endpoint);
    scope.addHook('preClose', async () => {
      detach();
      await endpoint[Symbol.asyncDispose]();
    });
  };
}
