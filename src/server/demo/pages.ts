/** The pages of the demo, as files under a policy that lets them load nothing but themselves. */
import staticFiles from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../../logger.ts';
import type { Origins } from '../origins.ts';

/** Where the build puts them, in a checkout and in the package. */
const BUILT = join(dirname(fileURLToPath(import.meta.resolve('ringback/package.json'))), 'dist', 'ui');

const MISSING = 'The pages of the demo are not built. In a checkout, "npm start" and "npm run build" build them.\n';

const PAGES = { '/': 'index.html', '/provider': 'provider.html' } as const;

export interface PagesOptions {
  readonly ownOrigins: Pick<Origins, 'list'>;
  readonly logger: Logger;
  /** Default: the built ones. */
  readonly folder?: string | undefined;
}

export function addPages(app: FastifyInstance, { ownOrigins, logger, folder = BUILT }: PagesOptions): void {
  if (!existsSync(join(folder, PAGES['/']))) logger.warn({ event: 'demo.pages_missing' }, MISSING.trim());
  app.register(staticFiles, { root: folder, serve: false, cacheControl: false, acceptRanges: false, dotfiles: 'deny' });
  for (const [path, file] of Object.entries(PAGES)) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) => {
      void reply.headers({ ...policy(ownOrigins.list()), 'cache-control': 'no-store' });
      if (!existsSync(join(folder, file))) return reply.code(503).type('text/plain; charset=utf-8').send(MISSING);
      return reply.sendFile(file);
    });
  }
  app.get<{ Params: { '*': string } }>('/assets/*', { schema: { hide: true } }, async (request, reply) =>
    sendAsset(request.params['*'], reply),
  );

  // The name of an asset is made of its bytes.
  function sendAsset(name: string, reply: FastifyReply): FastifyReply {
    return reply
      .headers({ ...policy([]), 'cache-control': 'public, max-age=31536000, immutable' })
      .sendFile(name, join(folder, 'assets'));
  }
}

/** @param origins under which these pages are served: what `'self'` of older browsers does not cover are their WebSockets */
function policy(origins: readonly string[]): Record<string, string> {
  // A policy has no way to write an IPv6 address; browsers warn of one.
  const sockets = origins.filter((origin) => !origin.includes('[')).map((origin) => origin.replace(/^http/, 'ws'));
  const directives = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    `connect-src ${["'self'", ...sockets].join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    'content-security-policy': directives.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  };
}
