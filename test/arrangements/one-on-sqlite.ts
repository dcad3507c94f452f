/** One instance that nobody stands before, on a file. */
import { join } from 'node:path';
import { ManualClock, turnUntil } from '../fixtures/manual-clock.ts';
import { ServerProcess, startServer, temporaryFolder, type ServerOptions } from '../fixtures/server.ts';
import type { Arrangement, InstanceProcess, Running } from './arrangement.ts';

export const oneOnSqlite: Arrangement = {
  name: 'one instance on SQLite',
  skip: false,

  start: (options) => startIn(options),

  async startTimed(options) {
    const clock = new ManualClock();
    const running = await startIn({ ...options, clock });
    return {
      ...running,
      turn: async (ms) => clock.advance(ms),
      [Symbol.asyncDispose]: () => turnUntil(clock, running[Symbol.asyncDispose]()),
    };
  },

  async spawn({ args = [], nodeArgs = [] } = {}) {
    const folder = await temporaryFolder();
    const startAt = (port: string): Promise<ServerProcess> =>
      ServerProcess.start({ args: ['--port', port, '--store', storeIn(folder), ...args], nodeArgs });
    let server = await startAt('0');
    const instance: InstanceProcess = {
      stop: (signal) => server.stop(signal),
      start: async () => void (server = await startAt(server.port)),
    };
    return {
      url: server.url,
      backEnd: server.backEnd,
      instances: [instance],
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  },
};

async function startIn(options: ServerOptions = {}): Promise<Running> {
  const folder = await temporaryFolder();
  const server = await startServer({ ...options, store: storeIn(folder) });
  return {
    url: server.url,
    backEnd: server.backEnd,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function storeIn({ path }: { readonly path: string }): string {
  return `sqlite:${join(path, 'ringback.db')}`;
}
