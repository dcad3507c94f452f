/** Which web pages may talk to us: an exact list of origins. */
import { ownOriginsOf, type ListenAddress } from './listen-address.ts';

export class Origins {
  #allowed: ReadonlySet<string>;
  readonly #isConfigured: boolean;

  /** @param configured exact origins; undefined: whatever {@link useListenAddress} finds */
  constructor(configured: readonly string[] | undefined) {
    this.#isConfigured = configured !== undefined;
    this.#allowed = new Set(configured);
  }

  /** The default list of a server without a public address: wherever its own pages are found. */
  useListenAddress(address: ListenAddress): void {
    if (!this.#isConfigured) this.#allowed = new Set(ownOriginsOf(address));
  }

  list(): readonly string[] {
    return [...this.#allowed];
  }

  /** Compares the whole text: no suffix, no case, and the opaque origin `null` is never in the list. */
  isAllowed(origin: string): boolean {
    return this.#allowed.has(origin);
  }
}
