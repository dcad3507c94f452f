/** The least that does the job with the two usual libraries: nothing is kept, nothing is checked. */
import ws from 'ws/package.json' with { type: 'json' };
import { minimalServer, type Peer } from './peer.ts';

export const wsPeer: Peer = {
  name: 'http+ws',
  title: `node:http and ws ${ws.version}: no store, no checks, the body is passed on as it is`,
  dialect: 'ws',
  program: async () => minimalServer('ws.ts'),
};
