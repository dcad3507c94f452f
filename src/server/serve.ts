/** A server of its own: listens, shows its metrics on another port, and drains before it ends. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Configuration } from './configuration.ts';
import { Demo } from './demo/demo.ts';
import { urlOf, type ListenAddress } from './listen-address.ts';
import type { Metrics } from './metrics.ts';
import { assemble, type Assembly, type Context } from './ringback.ts';

export interface Serving {
  /** `http://<host>:<port>`. */
  readonly url: string;
  /** Takes nothing new, lets go of what is open, makes everything accepted durable. Resolves when all is over. */
  drain(): Promise<void>;
}

/** The part of the time for a drain after which all pages are gone; the rest is for what else is under way. */
const FAREWELL_SHARE = 0.8;

/** Starts listening; resolves when connections are accepted. Rejects as `listen` or the opening of the store does. */
export async function serve(configuration: Configuration, context: Context): Promise<Serving> {
  const demo = configuration.demo ? new Demo(configuration, context) : undefined;
  const assembly = await assemble(
    configuration,
    demo === undefined ? context : { ...context, demo, extraWebhooks: [demo.source] },
  );
  try {
    const { host } = configuration;
    const address = { host, port: await listen(assembly.server, { host, port: configuration.port, option: '--port' }) };
    const url = urlOf(address);
    assembly.origins.useListenAddress(address);
    assembly.addresses.useListenAddress(url);
    demo?.useListenAddress(address);
    const metricsServer = await serveMetrics(configuration, assembly.metrics);
    if (metricsServer !== undefined) context.logger?.info({ event: 'metrics.listening', port: portOf(metricsServer.address()) });
    return { url, drain: () => drain(assembly, metricsServer, configuration.drainSeconds * 1000) };
  } catch (error) {
    await assembly.close();
    throw error;
  }
}

async function drain(assembly: Assembly, metricsServer: Server | undefined, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  await assembly.drain(withinMs * FAREWELL_SHARE);
  const cut = setTimeout(() => assembly.server.closeAllConnections(), Math.max(0, (end - performance.now()) / 2));
  await closed(assembly.server);
  await assembly.close();
  clearTimeout(cut);
  metricsServer?.closeAllConnections();
  metricsServer?.close();
}

/** Fastify closes only what it has opened itself. Idle connections go at once, the others when they were answered. */
async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

async function serveMetrics({ host, metricsPort }: Configuration, { registry }: Metrics): Promise<Server | undefined> {
  if (metricsPort === undefined) return undefined;
  const server = createServer((request, response) => {
    if (request.url?.split('?', 1)[0] !== '/metrics') return response.writeHead(404).end();
    if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return void registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await listen(server, { host, port: metricsPort, option: '--metrics-port' });
  return server;
}

interface ListenOptions extends ListenAddress {
  /** The one that a port which is taken is changed by; on the error of a `listen`. */
  readonly option: string;
}

function listen(server: Server, { host, port, option }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(Object.assign(error, { option }));
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve(portOf(server.address()));
    });
  });
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('expected a server that listens on a port');
  return address.port;
}
