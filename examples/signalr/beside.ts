/** The chat in a server that has WebSockets of its own: these stay as they are. */
import { createServer } from 'node:http';
import { attach } from 'ringback/signalr';
import { WebSocketServer } from 'ws';
import { endpoint, port, tell } from './chat.ts';

const server = createServer((_request, response) => response.end('the app'));
const clocks = new WebSocketServer({ server, path: '/clock' });
clocks.on('connection', (socket) => socket.send(new Date().toISOString()));
attach(server, '/chat', endpoint);
server.listen(port, '127.0.0.1', () => tell(server.address()));
