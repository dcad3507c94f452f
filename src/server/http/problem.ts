/** Errors as problem details (RFC 9457) with a stable `code`. */
import type { FastifyReply } from 'fastify';
import { STATUS_CODES } from 'node:http';
import { RingbackError } from '../../errors.ts';
import { JsonTextError } from '../../json/json-text.ts';
import { DRAINED_BYTES } from './unread-body.ts';

const PROBLEM_TYPE = 'application/problem+json';

/** Sent as bytes, since Fastify adds a charset to text, which this type does not have. */
export function sendProblem(reply: FastifyReply, error: RingbackError): void {
  const { headers, body } = problem(error);
  if (error.code === 'body_too_large') {
    const isEndless = !(Number(reply.request.headers['content-length']) <= DRAINED_BYTES);
    // Fastify closes whatever it did not read. But who is closed on while still sending may never see the answer.
    void (isEndless ? reply.header('connection', 'close') : reply.removeHeader('connection'));
  }
  void reply.code(error.status).headers(headers).type(PROBLEM_TYPE).send(Buffer.from(body));
}

/** The same as the bytes of a whole answer, for what comes before there is a response to write to. */
export function rawProblem(error: RingbackError): string {
  const { headers, body } = problem(error);
  const all = { ...headers, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}

/** Whatever was thrown, as an error that can be told. */
export function asRingbackError(error: unknown): RingbackError {
  if (error instanceof RingbackError) return error;
  if (error instanceof JsonTextError) {
    return new RingbackError(error.fault === 'depth' ? 'json_too_deep' : 'invalid_json', { detail: error.message, cause: error });
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new RingbackError('body_too_large', { cause: error });
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new RingbackError('unsupported_media_type', { cause: error });
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new RingbackError('malformed_request', { cause: error });
  return new RingbackError('internal_error', { cause: error });
}

/** Type and place of an unexpected error, without its message, which may quote the input. */
export function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '));
  return [error.name, ...frames.slice(0, 8)].join('\n');
}

function problem(error: RingbackError): { headers: Record<string, string>; body: string } {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  // No bearer helps where a signature was asked for.
  if (error.status === 401) headers['www-authenticate'] = error.code === 'bad_signature' ? 'Signature' : 'Bearer';
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
