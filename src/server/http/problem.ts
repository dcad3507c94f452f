/** Errors as problem details (RFC 9457) with a stable `code`. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { RingbackError } from '../../errors.ts';

const PROBLEM_TYPE = 'application/problem+json';

/** Sent as bytes, since Fastify adds a charset to text, which this type does not have. */
export function sendProblem(reply: FastifyReply, error: RingbackError): void {
  const { headers, body } = problem(error);
  void reply.code(error.status).headers(headers).type(PROBLEM_TYPE).send(Buffer.from(body));
}

/** The same on a bare response, for what answers before a route is found. */
export function writeProblem(response: ServerResponse, error: RingbackError): void {
  const { headers, body } = problem(error);
  response.writeHead(error.status, { ...headers, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function problem(error: RingbackError): { headers: Record<string, string>; body: string } {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  if (error.status === 503 || error.status === 429) headers['retry-after'] = String(error.retryAfterSeconds ?? 1);
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
