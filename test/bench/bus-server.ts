/** One of several servers of the benchmark's plain kind: passes on what is posted by way of a bus, whose port is its argument. */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { WebSocketServer, type WebSocket } from 'ws';
import { sayWhere } from '../../bench/servers/say-where.ts';

const pages = new Map<string, WebSocket>();
let acks = 0;

const bus = connect({ port: Number(process.argv[2]), host: '127.0.0.1' });
createInterface({ input: bus }).on('line', (line) => {
  const [id = '', body = '']: string[] = JSON.parse(line);
  pages.get(id)?.send(body);
});

function say(...words: readonly string[]): void {
  bus.write(`${JSON.stringify(words)}\n`);
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(acks));
    return;
  }
  let body = '';
  request.on('data', (chunk) => (body += String(chunk)));
  request.on('end', () => {
    say('message', request.url?.slice('/send/'.length) ?? '', body);
    response.writeHead(202, { 'content-length': 0 }).end();
  });
});

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (page) => {
    const id = new URL(request.url ?? '', 'http://localhost').searchParams.get('id') ?? '';
    pages.set(id, page);
    say('page', id);
    page.on('message', () => acks++);
  });
});

sayWhere(server, 'bus-server');
