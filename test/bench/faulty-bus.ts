/** What the servers of `bus-server.ts` share: it brings each message to the server that has the page, but for three of them. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Shared } from '../../bench/peers/peer.ts';

/** By the number of the message, counted here; the load still goes on after the last of them, however slow the machine is. */
const FAULTS: Readonly<Record<number, string>> = { 10: 'drop', 20: 'double', 30: 'misroute' };

/** `commits` counts what it brought, `commands` what came from the very server that has the page. */
export async function startFaultyBus(): Promise<Shared> {
  const places = new Map<string, Socket>();
  const sockets = new Set<Socket>();
  const counts = { commits: 0, commands: 0 };
  const bring = (from: Socket, id: string, body: string): void => {
    counts.commits += 1;
    if (places.get(id) === from) counts.commands += 1;
    const fault = FAULTS[counts.commits] ?? 'none';
    const receiver = fault === 'misroute' ? ([...places.keys()].find((other) => other !== id) ?? '') : id;
    const line = `${JSON.stringify([receiver, body])}\n`;
    if (fault !== 'drop') places.get(receiver)?.write(line);
    if (fault === 'double') places.get(receiver)?.write(line);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    createInterface({ input: socket }).on('line', (text) => {
      const [what, id = '', body = '']: string[] = JSON.parse(text);
      if (what === 'page') places.set(id, socket);
      else bring(socket, id, body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return {
    name: 'bus',
    url: `${address.port}`,
    pid: process.pid,
    counts: async () => ({ ...counts }),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
