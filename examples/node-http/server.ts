/** A checkout on `node:http`: an order opens a transaction, the provider's webhook reaches the page that waits for it. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRingback } from 'ringback';
import { secret, tell } from '../checkout/provider.ts';
import { html, script } from '../checkout/site.ts';

const ringback = await createRingback({
  store: 'sqlite:data/node-http.db',
  webhooks: { acme: { preset: 'standard-webhooks', secrets: [secret], transaction: '/data/reference' } },
});

async function answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${method} ${url}`) {
    case 'GET /':
      response.setHeader('content-type', 'text/html').end(html);
      return;
    case 'GET /page.js':
      response.setHeader('content-type', 'text/javascript').end(script);
      return;
    case 'POST /orders': {
      const reference = `order-${randomUUID()}`;
      // All but the callback URL: who has that can send.
      const { id, accessToken, hubUrl } = await ringback.open({ reference });
      response.writeHead(201, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ reference, id, accessToken, hubUrl }));
      return;
    }
    default:
      response.writeHead(404).end();
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
ringback.mount(server);
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) tell(`http://127.0.0.1:${address.port}`);
});
