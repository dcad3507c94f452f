/** Two instances on one PostgreSQL, behind a balancer that gives each request to the next of them. */
import { BackEnd } from '../fixtures/back-end.ts';
import { Balancer } from '../fixtures/balancer.ts';
import { request } from '../fixtures/http-api.ts';
import { ManualClock, turnUntil } from '../fixtures/manual-clock.ts';
import { noPostgres, temporaryDatabase } from '../fixtures/postgres.ts';
import { ServerProcess, startServer, type ServerOptions, type TestServer } from '../fixtures/server.ts';
import type { Arrangement, InstanceProcess, Running } from './arrangement.ts';
import { DatabaseTime } from './database-time.ts';

const COUNT = 2;
/** The balancer's, which says for whom it asks. */
const TRUSTED = '127.0.0.0/8';

export const twoOnPostgres: Arrangement = {
  name: 'two on PostgreSQL',
  skip: noPostgres,

  async start(options) {
    await using parts = new AsyncDisposableStack();
    const { store, balancer } = await surroundings(parts);
    const servers = await startIn({ store, balancer }, options);
    parts.defer(() => drained(servers));
    return running(balancer, parts.move());
  },

  async startTimed(options) {
    await using parts = new AsyncDisposableStack();
    const { store, balancer } = await surroundings(parts);
    const clock = new ManualClock();
    const time = parts.use(await DatabaseTime.take(store, clock));
    const servers = await startIn({ store, balancer }, { ...options, clock });
    parts.defer(() => turnUntil(clock, drained(servers)));
    const turn = async (ms: number): Promise<void> => {
      await time.set(clock.now() + ms);
      clock.advance(ms);
      // What was asked of the database now is there when these, begun after it, are answered; and no timer may see it wait.
      await Promise.all(servers.map(({ url }) => request('GET', `${url}/health/ready`)));
      await time.rest();
    };
    return { ...running(balancer, parts.move()), turn };
  },

  async spawn({ args = [], nodeArgs = [] } = {}) {
    await using parts = new AsyncDisposableStack();
    const { store, balancer } = await surroundings(parts);
    const own = ['--port', '0', '--store', store, '--public-url', balancer.url, '--trusted-proxy', TRUSTED];
    const instances = await Promise.all(
      numbers.map(async (at): Promise<InstanceProcess> => {
        let server: ServerProcess | undefined;
        const start = async (): Promise<void> => {
          server = await ServerProcess.start({ args: [...own, ...args], nodeArgs });
          balancer.replace(at, server.url);
        };
        parts.defer(() => server?.[Symbol.asyncDispose]());
        await start();
        return { start, stop: async (signal) => (await server?.stop(signal)) ?? null };
      }),
    );
    return { ...running(balancer, parts.move()), instances };
  },
};

const numbers = Array.from({ length: COUNT }, (_none, at) => at);

interface Surroundings {
  readonly store: string;
  readonly balancer: Balancer;
}

async function surroundings(parts: AsyncDisposableStack): Promise<Surroundings> {
  const { url: store } = parts.use(await temporaryDatabase());
  const balancer = parts.use(await Balancer.start([]));
  return { store, balancer };
}

async function startIn({ store, balancer }: Surroundings, options: ServerOptions = {}): Promise<readonly TestServer[]> {
  const start = (): Promise<TestServer> => startServer({ trustedProxies: [TRUSTED], ...options, store, publicUrl: balancer.url });
  const servers = await Promise.all(numbers.map(start));
  for (const [at, { url }] of servers.entries()) balancer.replace(at, url);
  return servers;
}

async function drained(servers: readonly TestServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.drain()));
}

function running(balancer: Balancer, parts: AsyncDisposableStack): Running {
  const { url } = balancer;
  return { url, backEnd: new BackEnd(url, () => balancer.targets), [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
