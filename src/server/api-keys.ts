/** The keys of back ends: known here only by their hashes, compared in constant time. */
import { timingSafeEqual } from 'node:crypto';
import { hashSecret, newSecret } from '../transactions/secrets.ts';
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
  readonly #hashes: readonly Buffer[];

  /**
   * @param keys the secrets themselves; several while one is being replaced by another
   * @throws TypeError for one that is no key, see {@link isApiKey}
   */
  constructor(keys: readonly string[]) {
    if (!keys.every(isApiKey)) throw new TypeError(`an API key must be ${API_KEY_FORM}`);
    this.#hashes = keys.map((key) => Buffer.from(hashSecret(key)));
  }

  /** @param hash of what was presented, see {@link hashSecret} */
  includes(hash: string): boolean {
    const presented = Buffer.from(hash);
    let isKnown = false;
    for (const known of this.#hashes) isKnown = timingSafeEqual(known, presented) || isKnown;
    return isKnown;
  }
}
