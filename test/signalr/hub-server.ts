/**
 * A real HTTP server with one endpoint at /hub, for a test; gone with its scope.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Endpoint, type EndpointOptions } from '../../src/signalr/index.ts';

export interface HubServer<P> extends AsyncDisposable {
  readonly endpoint: Endpoint<P>;
  readonly url: string;
  readonly port: number;
  readonly server: Server;
}

let isLean = false;

/** For all that this process starts without a choice of its own. */
export function leanByDefault(): void {
  isLean = true;
}

export async function startHubServer<P>(options: EndpointOptions<P>): Promise<HubServer<P>> {
  const endpoint = new Endpoint<P>({ lean: isLean, ...options });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    endpoint.handle(request, response, pathname.replace(/^\/hub/, ''));
  });
  server.on('upgrade', (request, socket, head) => endpoint.upgrade(request, socket, head));
  const port = await listen(server);
  return {
    endpoint,
    port,
    server,
    url: `http://127.0.0.1:${port}/hub`,
    async [Symbol.asyncDispose]() {
      await endpoint[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server listens on no port');
  return address.port;
}
