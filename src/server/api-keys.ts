/** The keys of back ends: known here only by their hashes, compared in constant time. */
import { timingSafeEqual } from 'node:crypto';
import { hashSecret } from '../transactions/secrets.ts';

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
