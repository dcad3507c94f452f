/** The keys of back ends: known here only by their hashes, compared in constant time. */
import { timingSafeEqual } from 'node:crypto';
import { hashSecret, newSecret } from '../transactions/secrets.ts';

/** A new key, for a server that was given none. */
export function newApiKey(): string {
  return newSecret('api-key');
}

export class ApiKeys {
  readonly #hashes: readonly Buffer[];

  /** @param keys the secrets themselves; several while one is being replaced by another */
  constructor(keys: readonly string[]) {
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
