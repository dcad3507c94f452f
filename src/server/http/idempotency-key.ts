/** The header that makes repeating safe. */
import { RingbackError } from '../../errors.ts';
import { name } from './schemas.ts';

/** For the OpenAPI document. */
export const IDEMPOTENCY_KEY = 'Makes repeating safe: 1 to 200 printable characters.';

/** @throws RingbackError invalid_request */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const result = name.safeParse(header);
  if (result.success) return result.data;
  const faults = [{ field: 'Idempotency-Key', message: 'expected 1 to 200 printable characters' }];
  throw new RingbackError('invalid_request', { faults });
}
