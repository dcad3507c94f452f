/** POST /send/<id> → one event to the socket of that id. Counts what browsers answer. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Server, type Socket } from 'socket.io';
import { sayWhere } from './say-where.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': 2 } as const;
const SEND = '/send/';

const pages = new Map<string, Socket>();
let acks = 0;

const server = createServer((request, response) => {
  if (request.method === 'POST') send(request, response);
  else response.end(String(acks));
});

function send(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const page = pages.get(request.url?.slice(SEND.length) ?? '');
    // An object, as an app has it: a text would be quoted once more.
    page?.emit('message', JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(page === undefined ? 404 : 202, JSON_HEADERS).end('{}');
  });
}

const io = new Server(server, { transports: ['websocket'], serveClient: false });
io.on('connection', (page) => {
  const id = String(page.handshake.query['id']);
  pages.set(id, page);
  page.on('ack', onAck);
  page.on('disconnect', () => pages.delete(id));
});

function onAck(): void {
  acks++;
}

sayWhere(server, 'socket.io');
