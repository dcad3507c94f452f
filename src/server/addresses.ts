/** The URLs that we hand out: from configuration or from where we listen, never from what a request says of us. */

export class Addresses {
  #base: string;
  readonly #isConfigured: boolean;
  readonly #prefix: string;

  /** @param publicUrl as seen by pages and providers; undefined: whatever {@link useListenAddress} finds */
  constructor(publicUrl: string | undefined, prefix: string) {
    this.#isConfigured = publicUrl !== undefined;
    this.#base = (publicUrl ?? 'http://127.0.0.1').replace(/\/+$/, '');
    this.#prefix = prefix;
  }

  useListenAddress(url: string): void {
    if (!this.#isConfigured) this.#base = url;
  }

  hub(): string {
    return `${this.#base}${this.#prefix}/hub`;
  }

  callback(secret: string): string {
    return `${this.#base}${this.#prefix}/callbacks/${secret}`;
  }
}
