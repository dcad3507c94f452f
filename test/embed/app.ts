/** Apps of others with Ringback inside: each listens on a free port, and answers `GET /shop` and an echo socket at `/chat`. */
import Fastify from 'fastify';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { createRingback, type Ringback, type RingbackOptions } from '../../src/index.ts';

export interface App extends AsyncDisposable {
  readonly url: string;
  readonly ringback: Ringback;
}

/** In which the app has its own way to make a server, and mounts at its own time. */
export interface Framework {
  readonly name: string;
  start(ringback: Ringback): Promise<Server>;
}

/** What any framework for `node:http` comes down to: one function that answers everything. */
function shop(request: IncomingMessage, response: ServerResponse): void {
  const isShop = request.method === 'GET' && request.url === '/shop';
  response.writeHead(isShop ? 200 : 404, { 'content-type': 'text/plain' }).end(isShop ? 'the shop' : 'the shop has no such page');
}

/** Answers 400 to every upgrade that is not to its path, as this popular package does. */
function chat(server: Server): void {
  new WebSocketServer({ server, path: '/chat' }).on('connection', (socket) => {
    socket.on('message', (data) => socket.send(data, { binary: false }));
  });
}

async function listening(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export const frameworks: readonly Framework[] = [
  {
    name: 'node:http, mounted last',
    async start(ringback) {
      const server = createServer(shop);
      chat(server);
      await listening(server);
      ringback.mount(server);
      return server;
    },
  },
  {
    name: 'node:http, mounted first',
    start(ringback) {
      const server = createServer();
      ringback.mount(server);
      server.on('request', shop);
      chat(server);
      return listening(server);
    },
  },
  {
    name: 'Fastify',
    async start(ringback) {
      const app = Fastify();
      app.get('/shop', () => 'the shop');
      app.setNotFoundHandler((_, reply) => reply.code(404).send('the shop has no such page'));
      ringback.mount(app.server);
      chat(app.server);
      await app.listen({ port: 0, host: '127.0.0.1' });
      return app.server;
    },
  },
];

export async function startApp(framework: Framework, options: RingbackOptions = {}): Promise<App> {
  const ringback = await createRingback({ store: 'memory:', drainSeconds: 1, ...options });
  const server = await framework.start(ringback);
  const address = server.address();
  if (!isAddressInfo(address)) throw new TypeError('the app does not listen');
  return {
    url: `http://127.0.0.1:${address.port}`,
    ringback,
    async [Symbol.asyncDispose]() {
      await ringback.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return address !== null && typeof address !== 'string';
}
