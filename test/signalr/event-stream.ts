/** A client of an event stream, on the bare wire. */
import assert from 'node:assert/strict';

export class EventStream implements Disposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #leave: AbortController;
  readonly #decoder = new TextDecoder();
  #text = '';

  private constructor(response: Response, leave: AbortController) {
    assert.ok(response.body !== null);
    this.response = response;
    this.#reader = response.body.getReader();
    this.#leave = leave;
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
    const leave = new AbortController();
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: leave.signal });
    assert.equal(response.status, 200);
    return new EventStream(response, leave);
  }

  /** The next event as it came, or the comment before the first; `ended`, or `cut` when the answer is not whole. */
  async next(): Promise<string> {
    for (;;) {
      const end = this.#text.startsWith(':') ? this.#text.indexOf('\r\n') + 2 : this.#text.indexOf('\r\n\r\n') + 4;
      if (end >= 4 || (this.#text.startsWith(':') && end >= 2)) {
        const event = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        return event;
      }
      try {
        const { done, value } = await this.#reader.read();
        if (done) return 'ended';
        this.#text += this.#decoder.decode(value, { stream: true });
      } catch {
        return 'cut';
      }
    }
  }

  [Symbol.dispose](): void {
    this.#leave.abort();
  }
}
