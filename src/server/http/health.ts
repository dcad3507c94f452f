/** Probes: is the process alive, and should it get traffic. */
import type { FastifyInstance } from 'fastify';
import { RingbackError } from '../../errors.ts';
import { documented } from './route.ts';
import * as schemas from './schemas.ts';

export interface HealthOptions {
  readonly checkReady: () => Promise<void>;
  readonly draining: AbortSignal;
}

export function addHealth(app: FastifyInstance, { checkReady, draining }: HealthOptions): void {
  const config = { whileDraining: true } as const;
  app.get(
    '/health/live',
    { config, schema: { ...documented('Alive?', '200 as long as the process answers.'), response: { 200: schemas.health } } },
    async () => ({ status: 'live' }),
  );
  app.get(
    '/health/ready',
    {
      config,
      schema: {
        ...documented('Ready?', '503 while the store cannot write, and while the server drains.'),
        response: { 200: schemas.health },
      },
    },
    async () => {
      if (draining.aborted) throw new RingbackError('draining');
      await checkReady();
      return { status: 'ready' };
    },
  );
}
