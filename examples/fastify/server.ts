/** A checkout on Fastify: an order opens a transaction, the provider's webhook reaches the page that waits for it. */
import Fastify from 'fastify';
import { randomUUID } from 'node:crypto';
import { createRingback } from 'ringback';
import { secret, tell } from '../checkout/provider.ts';
import { html, script } from '../checkout/site.ts';

const ringback = await createRingback({
  store: 'sqlite:data/fastify.db',
  webhooks: { acme: { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference' } },
});

const app = Fastify();
ringback.mount(app.server);

app.get('/', (_request, reply) => reply.type('text/html').send(html));
app.get('/page.js', (_request, reply) => reply.type('text/javascript').send(script));

app.post('/orders', async (_request, reply) => {
  const reference = `order-${randomUUID()}`;
  // All but the callback URL: who has that can send.
  const { id, accessToken, hubUrl } = await ringback.open({ reference });
  return reply.code(201).header('cache-control', 'no-store').send({ reference, id, accessToken, hubUrl });
});

tell(await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) }));
