/** The keys of back ends, compared in constant time. A hash of each request's own would cost more than its routing. */
import { timingSafeEqual } from 'node:crypto';
import { newSecret } from '../transactions/secrets.ts';
import { LONGEST_CREDENTIAL } from './bearer.ts';

/** A new key, for a server that was given none. */
export function newApiKey(): string {
  return newSecret('api-key');
}

export const API_KEY_FORM = `1 to ${LONGEST_CREDENTIAL} printable ASCII characters without spaces`;

/** Whether a request could show this key: an empty one would be shown by everybody, others by nobody. */
export function isApiKey(text: string): boolean {
  return text.length <= LONGEST_CREDENTIAL && /^[\x21-\x7e]+$/.test(text);
}

export class ApiKeys {
  readonly #known: readonly Buffer[];
  /** What a request presents, one at a time, so that none needs a buffer of its own. */
  readonly #presented = Buffer.alloc(LONGEST_CREDENTIAL);

  /**
   * @param keys several while one is being replaced by another
   * @throws TypeError for one that is no key, see {@link isApiKey}
   */
  constructor(keys: readonly string[]) {
    if (!keys.every(isApiKey)) throw new TypeError(`an API key must be ${API_KEY_FORM}`);
    this.#known = keys.map((key) => padded(key, Buffer.alloc(LONGEST_CREDENTIAL)));
  }

  /** Takes the same time for every text. @param text no longer than {@link LONGEST_CREDENTIAL} */
  includes(text: string): boolean {
    const presented = padded(text, this.#presented);
    let isKnown = false;
    for (const known of this.#known) isKnown = timingSafeEqual(known, presented) || isKnown;
    return isKnown;
  }
}

/** All of one length, so that the comparison says nothing of it. No key has a zero in it. */
function padded(text: string, buffer: Buffer): Buffer {
  return buffer.fill(0, buffer.write(text, 'latin1'));
}
