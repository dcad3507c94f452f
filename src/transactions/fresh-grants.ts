/**
 * Tokens and tickets that this process itself has just committed, for their first use: it usually follows at once, and then
 * needs no look into the store. Only ever a shortcut to who somebody is; whether the grant is still good is decided by the
 * conditional write that follows (a ticket is issued, or bound), so an entry may be out of date, and any may be missing.
 */
import type { Clock } from '../clock.ts';

const FRESH_MS = 10_000;
const MOST = 4_096;

export interface Grant {
  readonly transactionId: string;
  readonly tokenId?: string | undefined;
}

interface Fresh extends Grant {
  readonly until: number;
}

export class FreshGrants {
  readonly #clock: Clock;
  /** By the hash of the secret; the oldest first. */
  readonly #byHash = new Map<string, Fresh>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Call it when the grant is committed. */
  remember(hash: string, { transactionId, tokenId }: Grant): void {
    const now = this.#clock.now();
    for (const [oldest, { until }] of this.#byHash) {
      if (until > now && this.#byHash.size < MOST) break;
      this.#byHash.delete(oldest);
    }
    this.#byHash.set(hash, { transactionId, tokenId, until: now + FRESH_MS });
  }

  /** Once: whoever comes again is looked up in the store. */
  take(hash: string): Grant | undefined {
    const found = this.#byHash.get(hash);
    if (found === undefined) return undefined;
    this.#byHash.delete(hash);
    return found.until > this.#clock.now() ? found : undefined;
  }

  /** Something of this transaction was taken back. */
  drop(transactionId: string): void {
    for (const [hash, fresh] of this.#byHash) if (fresh.transactionId === transactionId) this.#byHash.delete(hash);
  }
}
