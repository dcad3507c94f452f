/** The credential of a request, from its `Authorization` header. */
import type { IncomingMessage } from 'node:http';
import { RingbackError } from '../errors.ts';

/** No credential of ours is longer; what is, is not even hashed. */
export const LONGEST_CREDENTIAL = 512;

/**
 * Headers of which a second one would be a way to be read differently by a proxy and by us. Two origins need no rule: Node
 * joins them to one text, which no list has.
 */
const ONCE = ['authorization', 'content-type', 'idempotency-key', 'content-length', 'host'];

/**
 * Looks at the headers as they came: Node's own lists of them are made on demand, and cost more than all of this.
 * @throws RingbackError malformed_request
 */
export function requireSingleHeaders({ rawHeaders }: IncomingMessage): void {
  let seen = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const index = ONCE.indexOf(rawHeaders[at]?.toLowerCase() ?? '');
    if (index === -1) continue;
    if ((seen & (1 << index)) !== 0) {
      throw new RingbackError('malformed_request', { detail: `the header ${ONCE[index]} must be given once` });
    }
    seen |= 1 << index;
  }
}

/**
 * `undefined`: the request has no such header. An empty text: it has one that no credential of ours could be in, which is a
 * bad credential, not a missing one.
 */
export function bearerOf(request: IncomingMessage): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1];
  return token === undefined || token.length > LONGEST_CREDENTIAL ? '' : token;
}
