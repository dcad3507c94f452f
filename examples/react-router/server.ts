/** A checkout on React Router with server rendering: a loader opens the transaction, the page waits with the hook. */
import express from 'express';
import { fileURLToPath } from 'node:url';
import { createRingback } from 'ringback';
import { createBuilder } from 'vite';
import { secret, tell } from '../checkout/provider.ts';
import type * as handler from './app/handler.ts';

const root = fileURLToPath(new URL('.', import.meta.url));
// What `react-router build` does, so that the example is one command.
await (await createBuilder({ root, logLevel: 'warn' })).buildApp();
const { handlerFor }: typeof handler = await import(`${root}dist/server/index.js`);

const ringback = await createRingback({
  store: 'sqlite:data/react-router.db',
  webhooks: { acme: { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference' } },
});

const app = express();
app.use(express.static(`${root}dist/client`));
app.use(handlerFor(ringback));

const server = app.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) tell(`http://127.0.0.1:${address.port}`);
});
ringback.mount(server);
