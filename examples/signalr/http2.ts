/** The chat over HTTP/2: negotiate, events and polls. WebSockets come over the HTTP/1.1 of the same server. */
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { attach } from 'ringback/signalr';
import { endpoint, port, tell } from './chat.ts';

const cert = readFileSync(process.env['TLS_CERT'] ?? 'cert.pem');
const key = readFileSync(process.env['TLS_KEY'] ?? 'key.pem');
const server = createSecureServer({ cert, key, allowHTTP1: true }, (_request, response) => response.end('the app'));
attach(server, '/chat', endpoint);
server.listen(port, '127.0.0.1', () => tell(server.address(), 'https'));
