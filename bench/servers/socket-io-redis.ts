/**
 * One of several servers: POST /send/<id> → one event to the room of that id, whose page is at any of them. Counts what its own
 * pages answer. The URL of the Redis is its argument.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { sayWhere } from './say-where.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': 2 } as const;
const SEND = '/send/';

const [, , url = ''] = process.argv;
let acks = 0;

const server = createServer((request, response) => {
  if (request.method === 'POST') send(request, response);
  else response.end(String(acks));
});

function send(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    io.to(request.url?.slice(SEND.length) ?? '').emit('message', JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(202, JSON_HEADERS).end('{}');
  });
}

const [publisher, subscriber] = [new Redis(url), new Redis(url)];
const io = new Server(server, { transports: ['websocket'], serveClient: false, adapter: createAdapter(publisher, subscriber) });
io.on('connection', (page) => {
  void page.join(String(page.handshake.query['id']));
  page.on('ack', onAck);
});

function onAck(): void {
  acks++;
}

sayWhere(server, 'socket.io');
