/** A checkout on Express: an order opens a transaction, the provider's webhook reaches the page that waits for it. */
import express from 'express';
import { randomUUID } from 'node:crypto';
import { createRingback } from 'ringback';
import { secret, tell } from '../checkout/provider.ts';
import { html, script } from '../checkout/site.ts';

const ringback = await createRingback({
  store: 'sqlite:data/express.db',
  webhooks: { acme: { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference' } },
});

const app = express();

app.get('/', (_request, response) => void response.type('html').send(html));
app.get('/page.js', (_request, response) => void response.type('text/javascript').send(script));

app.post('/orders', async (_request, response) => {
  const reference = `order-${randomUUID()}`;
  // All but the callback URL: who has that can send.
  const { id, accessToken, hubUrl } = await ringback.open({ reference });
  response.status(201).set('cache-control', 'no-store').json({ reference, id, accessToken, hubUrl });
});

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) tell(`http://127.0.0.1:${address.port}`);
});
// In front of the app: no `express.json()` touches a signed body before it is verified.
ringback.mount(server);
