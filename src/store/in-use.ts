/** What a store throws for a call that no caller of ours makes. */
import { RingbackError } from '../errors.ts';

/** An id or hash that has to be new is not. Its code is `internal_error`. */
export function inUse(): RingbackError {
  return new RingbackError('internal_error', { detail: 'An id or hash that has to be new is in use.' });
}
