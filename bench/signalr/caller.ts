/** One client of a hub: connects, is ready, calls, and hands on the numbers that come. */
import { maskedFrame, WebSocketConnection } from '../generator/web-socket.ts';
import type { Payload, Speech } from './speech.ts';
import { eachNumber, renumber, textWith } from './text.ts';

/** Of the connections from one address; each has some 28,000 ports. */
const PER_ADDRESS = 8000;

export interface CallerOptions {
  readonly index: number;
  readonly port: number;
  readonly speech: Speech;
  readonly onReady: () => void;
  readonly onNumber: (number: number, at: Caller) => void;
  readonly onGone: (error: Error) => void;
}

export class Caller {
  readonly index: number;
  readonly #speech: Speech;
  readonly #socket: WebSocketConnection;
  readonly #calls = new Map<string, Buffer>();
  #isReady = false;

  constructor({ index, port, speech, onReady, onNumber, onGone }: CallerOptions) {
    this.index = index;
    this.#speech = speech;
    const take = (number: number): void => onNumber(number, this);
    this.#socket = new WebSocketConnection({
      port,
      path: speech.pathOf(userOf(index)),
      localAddress: `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`,
      onOpen: () => speech.greeting && this.#say(speech.greeting),
      onFrame: (payload) => {
        const answer = speech.hear(payload, this.#isReady);
        if (answer === 'ready') {
          this.#isReady = true;
          onReady();
        } else if (answer !== undefined) this.#say(answer);
        else eachNumber(payload, take);
      },
      onGone,
    });
  }

  /** Calls `target(text)`, or with a user `target(user, text)`. */
  call(target: string, number: number, user?: number): void {
    const key = user === undefined ? target : `${target} ${user}`;
    const template = this.#calls.get(key) ?? this.#frame(target, user);
    if (user === undefined) this.#calls.set(key, template);
    const frame = Buffer.from(template);
    renumber(frame, number);
    this.#socket.write(frame);
  }

  close(): void {
    this.#socket.close();
  }

  #frame(target: string, user: number | undefined): Buffer {
    const text = textWith(0);
    return framed(this.#speech.call(target, user === undefined ? [text] : [userOf(user), text]));
  }

  #say(payload: Payload): void {
    this.#socket.write(framed(payload));
  }
}

function userOf(index: number): string {
  return `user-${String(index).padStart(6, '0')}`;
}

function framed({ bytes, isBinary }: Payload): Buffer {
  return maskedFrame(isBinary, bytes);
}
