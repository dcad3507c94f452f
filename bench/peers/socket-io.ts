/** Socket.IO, WebSocket only, on node:http: nothing is kept, nothing is checked. */
import socketIo from 'socket.io/package.json' with { type: 'json' };
import { minimalServer, type Peer } from './peer.ts';

export const socketIoPeer: Peer = {
  name: 'socket.io',
  title: `Socket.IO ${socketIo.version} on node:http: no store, no checks`,
  dialect: 'socket.io',
  program: async () => minimalServer('socket-io.ts'),
};
