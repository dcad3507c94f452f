/** A shop whose orders are in PostgreSQL: that one is paid and that its page is told are one transaction of the database. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Pool } from 'pg';
import { createRingback } from 'ringback';
import { html, script } from '../checkout/site.ts';

const url = process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const ringback = await createRingback({ store: url }).catch(giveUp);
const database = new Pool({ connectionString: url });
// An idle connection was lost; the next query gets another one. Unheard, it would end the process.
database.on('error', (error) => console.error(error.message));
await database.query('CREATE TABLE IF NOT EXISTS orders (reference text PRIMARY KEY, paid boolean NOT NULL DEFAULT false)');

/** Both or neither: if the append is refused the order stays unpaid, and if this process dies in between, too. */
async function pay(reference: string): Promise<boolean> {
  const client = await database.connect();
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query('UPDATE orders SET paid = true WHERE reference = $1 AND NOT paid', [reference]);
    if (rowCount === 1) {
      const data = JSON.stringify({ reference, amount: 4200 });
      await client.query('SELECT ringback.append($1, $2, $3, key => $4)', [reference, 'payment.succeeded', data, 'payment']);
    }
    await client.query('COMMIT');
    return rowCount === 1;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function answer({ method, url: path = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const reference = /^\/payments\/([\w-]+)$/.exec(path)?.[1];
  if (method === 'POST' && reference !== undefined) {
    const isPaid = await pay(reference);
    response.writeHead(isPaid ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify({ paid: isPaid }));
    return;
  }
  switch (`${method} ${path}`) {
    case 'GET /':
      response.setHeader('content-type', 'text/html').end(html);
      return;
    case 'GET /page.js':
      response.setHeader('content-type', 'text/javascript').end(script);
      return;
    case 'POST /orders': {
      const order = `order-${randomUUID()}`;
      await database.query('INSERT INTO orders (reference) VALUES ($1)', [order]);
      // All but the callback URL: who has that can send.
      const { id, accessToken, hubUrl } = await ringback.open({ reference: order });
      response.writeHead(201, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ reference: order, id, accessToken, hubUrl }));
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
  if (typeof address === 'object' && address !== null) console.log(`open http://127.0.0.1:${address.port}`);
});

/** Nobody can read the cause from a stack: most often there is no database at that address. */
function giveUp(error: unknown): never {
  console.error(`${error instanceof Error ? error.message : String(error)}. DATABASE_URL says where the database is.`);
  process.exit(1);
}
