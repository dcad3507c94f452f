/** Every server of this benchmark says on its first line where it listens. */
import type { Server } from 'node:http';

/** Listens on a free port of loopback. */
export function sayWhere(server: Server, name: string): void {
  process.once('SIGTERM', () => process.exit()); // an orderly end, for profiles
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('expected an address with a port');
    process.stdout.write(`${name} listening on http://127.0.0.1:${address.port}\n`);
  });
}
