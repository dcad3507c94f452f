/** What one party of an exchange has open, an HTTP request or a WebSocket, and what it was told there, in order. */
import type { WebSocket } from 'ws';

/** A listing that waits longer than this says something that the server does not. */
const PATIENCE_MS = 15_000;
const RECORD_SEPARATOR = '\u001e';
const PING = '{"type":6}';

export class Channel {
  /** A status with its body, a hub message with its separator, or `close <code>`. */
  readonly #said: string[] = [];
  #socket: WebSocket | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #abort = new AbortController();

  /** Starts a request; its answer is said when it comes. */
  request(url: string, init: RequestInit): void {
    void this.#fetch(url, init).then((answer) =>
      this.#note(answer.text === '' ? answer.status : `${answer.status} ${answer.text}`),
    );
  }

  /** Polls until there is no more, as clients do; said is what the polls bring, and the status of the last one. */
  poll(url: string, init: RequestInit): void {
    void (async () => {
      for (;;) {
        const { status, text } = await this.#fetch(url, init);
        this.#noteFrames(text);
        if (status !== '200') return this.#note(status);
      }
    })();
  }

  /** Follows a stream of events; said is what they bring, and `end` at its end. */
  listen(url: string, init: RequestInit): void {
    void (async () => {
      const { body } = await fetch(url, { ...init, signal: this.#abort.signal });
      let text = '';
      for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (text + chunk).split('\r\n');
        text = lines.pop() ?? '';
        for (const line of lines) this.#noteFrames(line.replace(/^data: /, ''));
      }
      this.#note('end');
    })().catch(() => this.#note('end'));
  }

  follow(socket: WebSocket): void {
    this.#socket = socket;
    socket.on('open', () => this.#note('101'));
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => this.#note(`${response.statusCode} ${body}`.trimEnd()));
    });
    socket.on('message', (data: Buffer) => this.#noteFrames(data.toString()));
    socket.on('close', (code) => this.#note(`close ${code}`));
    socket.on('error', () => undefined);
  }

  send(text: string): void {
    if (this.#socket === undefined) throw new Error('there is no connection to send on');
    this.#socket.send(text);
  }

  /** The next thing said, past or to come. @param line of the listing that tells what it should be */
  async next(line: string): Promise<string> {
    const timer = setTimeout(() => this.#note(`nothing, where the listing says: ${line}`), PATIENCE_MS);
    try {
      for (;;) {
        const said = this.#said.shift();
        if (said !== undefined) return said;
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** What was said and not asked for. */
  rest(): readonly string[] {
    return this.#said;
  }

  close(): void {
    this.#abort.abort();
    this.#socket?.removeAllListeners('close');
    this.#socket?.terminate();
  }

  async #fetch(url: string, init: RequestInit): Promise<{ readonly status: string; readonly text: string }> {
    try {
      const response = await fetch(url, { ...init, redirect: 'manual', signal: this.#abort.signal });
      return { status: String(response.status), text: await response.text() };
    } catch (error) {
      return { status: 'no answer', text: String(error) };
    }
  }

  /** Pings are left out: they come when they like. */
  #noteFrames(text: string): void {
    const frames = text.split(RECORD_SEPARATOR).slice(0, -1);
    for (const frame of frames) if (frame !== PING) this.#note(frame + RECORD_SEPARATOR);
  }

  #note(text: string): void {
    this.#said.push(text);
    const changed = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    changed.resolve();
  }
}
