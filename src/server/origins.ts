/** Which web pages may talk to us: an exact list of origins. */

export class Origins {
  #allowed: ReadonlySet<string>;
  readonly #isConfigured: boolean;

  /** @param configured exact origins; undefined: whatever {@link useListenAddress} finds */
  constructor(configured: readonly string[] | undefined) {
    this.#isConfigured = configured !== undefined;
    this.#allowed = new Set(configured);
  }

  /** The default list of a server without a public address: its own port under the names of this machine. */
  useListenAddress(port: number, scheme: 'http' | 'https' = 'http'): void {
    if (this.#isConfigured) return;
    // As browsers write an origin: without the port that its scheme implies.
    this.#allowed = new Set(['127.0.0.1', 'localhost'].map((host) => new URL(`${scheme}://${host}:${port}`).origin));
  }

  list(): readonly string[] {
    return [...this.#allowed];
  }

  /** Compares the whole text: no suffix, no case, and the opaque origin `null` is never in the list. */
  isAllowed(origin: string): boolean {
    return this.#allowed.has(origin);
  }
}
