/** The article's API: pages connect with their transaction id, an external service calls `/test`, one page hears of it. */
import Fastify from 'fastify';
import { mkdirSync } from 'node:fs';
import { createRingback } from 'ringback';
import { bundle } from '../bundle.ts';
import { Visits } from './visits.ts';

mkdirSync('data', { recursive: true });
const visits = new Visits('data/article-visits.db');

const ringback = await createRingback({
  store: 'sqlite:data/article.db',
  authenticate: ({ query, headers }) => {
    const transactionId = query.get('transaction');
    const isTheirs = transactionId !== null && transactionId === visits.transactionOf(visitIn(headers.cookie));
    return isTheirs ? { transactionId } : null; // null: 401
  },
});

const app = Fastify();
ringback.mount(app.server);

app.get('/', async (request, reply) => {
  let transactionId = visits.transactionOf(visitIn(request.headers.cookie));
  if (transactionId === undefined) {
    transactionId = (await ringback.open()).id;
    // As long as a transaction takes messages. Behind https, add `Secure`.
    reply.header('set-cookie', `visit=${visits.add(transactionId)}; HttpOnly; SameSite=Lax; Path=/; Max-Age=86400`);
  }
  return reply.type('text/html').header('cache-control', 'no-store').send(html(transactionId));
});

const script = await bundle(new URL('page.tsx', import.meta.url));
app.get('/page.js', (_request, reply) => reply.type('text/javascript').send(script));

const body = { type: 'object', required: ['transaction', 'message'], properties: { transaction: { type: 'string' } } };

// Who may call this is the app's matter: check the caller here.
app.post<{ Body: { transaction: string; message: unknown } }>('/test', { schema: { body } }, async (request) => {
  const { transaction, message } = request.body;
  const { connections } = await ringback.transaction(transaction); // the rows that Ringback keeps itself
  const { status, sequence } = await ringback.send(transaction, { type: 'test', data: message });
  return { status, sequence, connections: connections.map(({ id }) => id) };
});

console.log(`open ${await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })}`);

function visitIn(cookies = ''): string {
  return /(?:^|; )visit=([^;]*)/.exec(cookies)?.[1] ?? '';
}

function html(transactionId: string): string {
  return `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>The article</title>
  <link rel="icon" href="data:,">
  <main id="root" data-transaction="${transactionId}"></main>
  <script type="module" src="/page.js"></script>
</html>`;
}
