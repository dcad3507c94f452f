/** POST /send/<id> → the WebSocket of that id, as fast as the two libraries go. Counts what browsers answer. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { sayWhere } from './say-where.ts';

const JSON_HEADERS = { 'content-type': 'application/json', 'content-length': 2 } as const;
const SEND = '/send/';

const pages = new Map<string, WebSocket>();
let acks = 0;

const server = createServer((request, response) => {
  if (request.method === 'POST') send(request, response);
  else response.end(String(acks));
});

function send(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first] = chunks;
    const body = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
    const page = pages.get(request.url?.slice(SEND.length) ?? '');
    page?.send(body, { binary: false });
    response.writeHead(page === undefined ? 404 : 202, JSON_HEADERS).end('{}');
  });
}

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (page) => {
    const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('id') ?? '';
    pages.set(id, page);
    page.on('message', onMessage);
    page.on('close', () => pages.delete(id));
  });
});

function onMessage(): void {
  acks++;
}

sayWhere(server, 'ws');
