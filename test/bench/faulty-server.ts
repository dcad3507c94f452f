/** A server of the benchmark's plain kind that does five things wrong, each once: what the checker has to find. */
import { createServer } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { sayWhere } from '../../bench/servers/say-where.ts';

/** By the number of the message, counted here; by the last of them the load still has far to go. */
const FAULTS: Readonly<Record<number, string>> = { 100: 'drop', 120: 'double', 140: 'misroute', 160: 'refuse' };
const UNCOUNTED = 180;

const pages = new Map<string, WebSocket>();
let messages = 0;
let acks = 0;

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(acks - (acks > UNCOUNTED ? 1 : 0)));
    return;
  }
  let body = '';
  request.on('data', (chunk) => (body += String(chunk)));
  request.on('end', () => {
    const fault = FAULTS[++messages] ?? 'none';
    deliver(request.url?.slice('/send/'.length) ?? '', body, fault);
    response.writeHead(fault === 'refuse' ? 500 : 202, { 'content-length': 0 }).end();
  });
});

function deliver(id: string, body: string, fault: string): void {
  const others = [...pages.keys()].filter((other) => other !== id);
  const receiver = pages.get(fault === 'misroute' ? (others[0] ?? '') : id);
  if (fault !== 'drop') receiver?.send(body);
  if (fault === 'double') receiver?.send(body);
}

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (page) => {
    pages.set(new URL(request.url ?? '', 'http://localhost').searchParams.get('id') ?? '', page);
    page.on('message', () => acks++);
  });
});

sayWhere(server, 'faulty');
