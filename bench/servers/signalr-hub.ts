/** The calls of `--signalr` on a hub of Ringback: an echo, a broadcast, and a message to one user. The package is its argument. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as signalr from '../../src/signalr/index.ts';
import { sayWhere } from './say-where.ts';

const [, , folder = ''] = process.argv;
const built: typeof signalr = await import(pathToFileURL(join(folder, 'dist', 'signalr', 'index.js')).href);
const { allowAnybody, attach, Endpoint, Hub, jsonProtocol, messagePackProtocol } = built;

const hub = new Hub<undefined>({
  protocols: [jsonProtocol, messagePackProtocol],
  userOf: ({ request }) => request.url.searchParams.get('user') ?? undefined,
  methods: {
    Echo: (_context, text) => text,
    Broadcast: ({ clients }, text) => clients.all.send('message', text),
    Tell: ({ clients }, user, text) => clients.user(String(user)).send('message', text),
  },
});

const server = createServer();
attach(server, '/hub', new Endpoint<undefined>({ handler: hub, authenticate: allowAnybody }));
sayWhere(server, 'signalr');
