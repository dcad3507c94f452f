/** Errors as problem details (RFC 9457) with a stable `code`. */
import type { FastifyReply } from 'fastify';
import { STATUS_CODES } from 'node:http';
import type { RingbackError } from '../../errors.ts';

const PROBLEM_TYPE = 'application/problem+json';

/** A body that was too large, but is no larger than this, is read to its end, so that its sender sees the answer. */
const DRAINED_BYTES = 16 * 1024 * 1024;

/** Sent as bytes, since Fastify adds a charset to text, which this type does not have. */
export function sendProblem(reply: FastifyReply, error: RingbackError): void {
  const { headers, body } = problem(error);
  const isEndless = !(Number(reply.request.headers['content-length']) <= DRAINED_BYTES);
  if (error.code === 'body_too_large' && isEndless) void reply.header('connection', 'close');
  void reply.code(error.status).headers(headers).type(PROBLEM_TYPE).send(Buffer.from(body));
}

/** The same as the bytes of a whole answer, for what comes before there is a response to write to. */
export function rawProblem(error: RingbackError): string {
  const { headers, body } = problem(error);
  const all = { ...headers, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}

function problem(error: RingbackError): { headers: Record<string, string>; body: string } {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  const body = {
    type: 'about:blank',
    title: error.title,
    status: error.status,
    code: error.code,
    ...(error.message !== error.title && { detail: error.message }),
    ...(error.faults !== undefined && { errors: error.faults }),
  };
  return { headers, body: JSON.stringify(body) };
}
