/** The limits that are counted in bytes of compact JSON. */
import { RingbackError } from '../errors.ts';
import { byteLength } from './json-text.ts';

type TooLarge = 'data_too_large' | 'reply_too_large' | 'metadata_too_large';

/** @throws RingbackError of this code, when the text has more bytes in UTF-8 than that; an absent one has none */
export function requireBytes(text: string | undefined, max: number, code: TooLarge): void {
  // A text has at least as many bytes as characters, and at most three times as many.
  if (text === undefined || text.length * 3 <= max) return;
  const bytes = byteLength(text);
  if (bytes > max) throw new RingbackError(code, { detail: `it has ${bytes} bytes as compact JSON, at most ${max} are taken` });
}
