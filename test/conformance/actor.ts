/** One WebSocket of an exchange, message by message, in the form in which exchanges are written. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { decode, encode } from '@msgpack/msgpack';
import { WebSocket } from 'ws';
import { inOrder } from './in-order.ts';

const SEPARATOR = '\u001e';
const PATIENCE_MS = 5000;
const PROBE = 'probe';

interface Event {
  readonly text: string;
  /** In hex, without its frame. */
  readonly bytes: string;
}

export class Actor {
  readonly #url: string;
  readonly #protocol: string;
  readonly #socket: WebSocket;
  readonly #events: Event[] = [];
  /** Of the message that came last out of {@link next}, in hex. */
  bytes = '';
  #wake: (() => void) | undefined;
  #rest = Buffer.alloc(0);
  #isShaken: boolean;

  private constructor(url: string, protocol: string, isShaken: boolean) {
    this.#url = url;
    this.#protocol = protocol;
    this.#isShaken = isShaken;
    this.#socket = new WebSocket(url.replace(/^http/, 'ws'));
    this.#socket.on('message', (data: Buffer, isBinary: boolean) => this.#read(data, isBinary));
    this.#socket.on('close', (code) => this.#add(`ends with ${code}`));
    this.#socket.on('error', (error) => this.#add(`fails: ${error.message}`));
  }

  /** @throws Error when the upgrade is refused */
  static async open(url: string, protocol: string, isShaken = false): Promise<Actor> {
    const actor = new Actor(url, protocol, isShaken);
    await once(actor.#socket, 'open');
    return actor;
  }

  /** The same connection on another socket. */
  resume(): Promise<Actor> {
    return Actor.open(this.#url, this.#protocol, true);
  }

  get #isBinary(): boolean {
    return this.#protocol === 'messagepack';
  }

  async shakeHands(version: number): Promise<void> {
    this.send(JSON.stringify(`{"protocol":"${this.#protocol}","version":${version}}${SEPARATOR}`));
    assert.equal(await this.next(), '{}');
  }

  /** @param line a message, `"text"`, or hex */
  send(line: string): void {
    if (line.startsWith('"')) this.#socket.send(String(JSON.parse(line)));
    else if (/^[\da-f ]+$/.test(line)) this.#socket.send(Buffer.from(line.replaceAll(' ', ''), 'hex'));
    else if (this.#isBinary) this.#socket.send(framed(encode(JSON.parse(line, revive))));
    else this.#socket.send(line + SEPARATOR);
  }

  close(code: number): void {
    this.#socket.close(code, 'bye');
  }

  end(): void {
    this.#socket.terminate();
  }

  /** The next message, or how the socket ended. */
  async next(): Promise<string> {
    const timer = setTimeout(() => this.#add('says nothing'), PATIENCE_MS);
    while (this.#events.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(timer);
    const { text, bytes } = this.#events.shift() ?? { text: '', bytes: '' };
    this.bytes = bytes;
    return text;
  }

  /** Whether it goes on; else what came instead. */
  async probe(): Promise<string> {
    this.send(
      JSON.stringify(
        this.#isBinary ? [1, {}, PROBE, 'Echo', ['x'], []] : { type: 1, invocationId: PROBE, target: 'Echo', arguments: ['x'] },
      ),
    );
    const answer = await this.next();
    return answer.includes(`"${PROBE}"`) ? 'goes on' : answer;
  }

  #read(data: Buffer, isBinary: boolean): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const bytes = this.#isBinary && this.#isShaken ? this.#nextBinary() : this.#nextText();
      if (bytes === undefined) break;
      const message: unknown = this.#isBinary && this.#isShaken ? decode(bytes) : JSON.parse(bytes.toString());
      this.#isShaken = true;
      // Both come when they come.
      if (isPingOrAck(message)) continue;
      const oddity = isBinary === this.#isBinary ? '' : ' in a frame of the other kind';
      this.#add(inOrder(message) + oddity, bytes.toString('hex'));
    }
    if (this.#rest.length > 0) this.#add('a message is split over several WebSocket messages');
  }

  #nextText(): Buffer | undefined {
    const end = this.#rest.indexOf(SEPARATOR);
    return end === -1 ? undefined : this.#take(end + 1).subarray(0, end);
  }

  #nextBinary(): Buffer | undefined {
    let length = 0;
    for (let at = 0; at < this.#rest.length; at++) {
      const byte = this.#rest[at] ?? 0;
      length += (byte & 0x7f) << (7 * at);
      if (byte >= 0x80) continue;
      if (this.#rest.length < at + 1 + length) return undefined;
      return this.#take(at + 1 + length).subarray(at + 1);
    }
    return undefined;
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  #add(text: string, bytes = ''): void {
    this.#events.push({ text, bytes });
    this.#wake?.();
  }
}

/** With its length in front. */
function framed(message: Uint8Array): Buffer {
  const head: number[] = [];
  for (let left = message.length; head.length === 0 || left > 0; left >>>= 7)
    head.push((left & 0x7f) | (left >= 0x80 ? 0x80 : 0));
  return Buffer.concat([Buffer.from(head), message]);
}

function isPingOrAck(message: unknown): boolean {
  const type: unknown = Array.isArray(message) ? message[0] : Reflect.get(Object(message), 'type');
  return type === 6 || type === 8;
}

/** What JSON does not have: `{"$bin":"0102"}` and `{"$time":"2018-01-01T11:24:00.000Z"}`. */
function revive(_name: string, value: unknown): unknown {
  const { $bin, $time } = Object(value);
  if (typeof $bin === 'string') return Buffer.from($bin, 'hex');
  return typeof $time === 'string' ? new Date($time) : value;
}
