/**
 * CORS with credentials for allowed origins: the stock client sends credentials by default, so the origin is echoed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

type OriginCheck = ((origin: string) => boolean) | undefined;

/** The header lines that an answer to this request carries; none for origins that are not allowed. */
export function corsHeaders({ headers }: IncomingMessage, isAllowed: OriginCheck): [string, string][] {
  if (isAllowed === undefined) return [];
  const { origin } = headers;
  const vary: [string, string] = ['Vary', 'Origin'];
  if (origin === undefined || origin === '' || !isAllowed(origin)) return [vary];
  return [['Access-Control-Allow-Origin', origin], ['Access-Control-Allow-Credentials', 'true'], vary];
}

/** Sets the headers; true when the request was a preflight, which is then answered. */
export function applyCors(request: IncomingMessage, response: ServerResponse, isAllowed: OriginCheck): boolean {
  const headers = corsHeaders(request, isAllowed);
  for (const [name, value] of headers) response.appendHeader(name, value);
  const requestedMethod = request.headers['access-control-request-method'];
  if (request.method !== 'OPTIONS' || requestedMethod === undefined || headers.length < 2) return false;
  response.setHeader('Access-Control-Allow-Methods', requestedMethod);
  const requestedHeaders = request.headers['access-control-request-headers'];
  if (requestedHeaders !== undefined) response.setHeader('Access-Control-Allow-Headers', requestedHeaders);
  response.writeHead(204).end();
  return true;
}
