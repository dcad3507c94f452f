/**
 * Plain HTTP answers in the shape the official server gives them, its texts included.
 */
import { hash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { firstComment } from '../protocol/event-stream.ts';
import type { TransportName } from '../protocol/negotiate.ts';
import type { Refusal } from './endpoint-options.ts';

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** On everything that answers a poll, so that no cache ever repeats one. */
export const noCache = {
  'Cache-Control': 'no-cache, no-store',
  Pragma: 'no-cache',
  Expires: 'Thu, 01 Jan 1970 00:00:00 GMT',
} as const;

/** An answer without body, `text/plain` all the same. */
export function answerEmpty(response: ServerResponse, status: number, headers: OutgoingHttpHeaders = {}): void {
  const length = status === 204 || response.req.method === 'HEAD' ? {} : { 'Content-Length': 0 };
  response.writeHead(status, { 'Content-Type': 'text/plain', ...length, ...headers }).end();
}

/** The connection is given up with this answer; HTTP/2 has other ways to say so. */
export function lastOnItsConnection({ req }: ServerResponse): OutgoingHttpHeaders {
  return req.httpVersionMajor > 1 ? {} : { Connection: 'close' };
}

interface TextAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Sent chunked, as the official server does. */
function answerText(response: ServerResponse, { status, text, headers = {} }: TextAnswer): void {
  response.writeHead(status, { 'Content-Type': 'text/plain', ...headers });
  response.write(text);
  response.end();
}

export function answerBytes(response: ServerResponse, body: Buffer): void {
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': body.length, ...noCache };
  response.writeHead(200, headers).end(body);
}

/** Begins an event stream, which is never to be gathered on its way: the last header tells nginx so. */
export function answerEvents(response: ServerResponse): void {
  const { Expires: _, ...headers } = noCache;
  const encoding = { 'Content-Encoding': 'identity', 'X-Accel-Buffering': 'no' };
  response.writeHead(200, { 'Content-Type': 'text/event-stream', ...headers, ...encoding }).write(firstComment);
}

export function answerJson(response: ServerResponse, json: string, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(json) }).end(json);
}

export function answerRefusal(response: ServerResponse, { status, headers = {}, body = '' }: Refusal): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
}

export function refuseNoId(response: ServerResponse, headers: OutgoingHttpHeaders = {}): void {
  answerText(response, { status: 400, text: 'Connection ID required', headers });
}

export function refuseUnknown(response: ServerResponse, headers: OutgoingHttpHeaders = {}): void {
  answerText(response, { status: 404, text: 'No Connection with that ID', headers });
}

/** To an upgrade the same has no content type. */
export function refuseUnknownUpgrade(response: ServerResponse): void {
  response.writeHead(404);
  response.write('No Connection with that ID');
  response.end();
}

export function refuseTransport(response: ServerResponse, transport: TransportName, headers: OutgoingHttpHeaders = {}): void {
  answerText(response, { status: 404, text: `${transport} transport not supported by this end point type`, headers });
}

export function refuseChange(response: ServerResponse, headers: OutgoingHttpHeaders = {}): void {
  answerText(response, { status: 400, text: 'Cannot change transports mid-connection', headers });
}

export function refusePost(response: ServerResponse): void {
  answerText(response, { status: 405, text: 'POST requests are not allowed for WebSocket connections.' });
}

export function refuseTerminate(response: ServerResponse): void {
  answerText(response, { status: 400, text: 'Cannot terminate this connection using the DELETE endpoint.' });
}

export function refuseOtherUser(response: ServerResponse, headers: OutgoingHttpHeaders = {}): void {
  answerText(response, { status: 403, text: 'The user associated with this connection changed.', headers });
}

/** Draining, or full. */
export function refuseUnavailable(response: ServerResponse): void {
  answerEmpty(response, 503, { 'Retry-After': 5 });
}

/** What `ws` does when it accepts an upgrade, whose key was checked before. @see RFC 6455, section 4.2.2 */
export function acceptUpgrade(
  { headers }: IncomingMessage,
  socket: Socket,
  addedHeaders: readonly (readonly [string, string])[],
): void {
  const accept = hash('sha1', `${headers['sec-websocket-key'] ?? ''}${ACCEPT_SUFFIX}`, 'base64');
  let answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
  for (const [name, value] of addedHeaders) answer += `${name}: ${value}\r\n`;
  socket.write(`${answer}\r\n`, 'latin1');
}
