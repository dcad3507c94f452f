/** The chat in a server of `node:http`. */
import { createServer } from 'node:http';
import { attach } from 'ringback/signalr';
import { endpoint, port, tell } from './chat.ts';

const server = createServer((_request, response) => response.end('the app'));
attach(server, '/chat', endpoint);
server.listen(port, '127.0.0.1', () => tell(server.address()));

process.once('SIGTERM', () => {
  // The clients are sent away in a way that lets them come back, spread over two seconds.
  void endpoint.drain(2_000).then(() => server.close());
});
