/**
 * Which messages have arrived, each way, where a client may come back over a new transport: numbers them, keeps what the
 * client has not acknowledged, and tells the new from the repeated. Pure: knows no connection, protocol or clock.
 *
 * Only messages of a call count: invocations, stream items, completions, cancels. Both sides count by themselves, from 1.
 *
 * @see HubProtocol.md, "Ack" and "Sequence"
 */
import { bytesOf } from '../protocol/chunk-queue.ts';
import { SequenceError } from './sequence-error.ts';

type Encoded = string | Uint8Array;

export class MessageBuffer {
  /** Oldest first, without a gap; the newest has the number `#lastSent`. */
  readonly #kept: Encoded[] = [];
  #keptBytes = 0;
  #lastSent = 0;
  #lastAcknowledged = 0;
  /** How many of the kept ones the present transport has got. */
  #passed = 0;
  #lastReceived = 0;
  /** Of the client's next message; below `#lastReceived` while it repeats itself. */
  #nextReceived = 1;
  #lastAcknowledgement = 0;

  /** What is kept. */
  get bytes(): number {
    return this.#keptBytes;
  }

  /** Numbers a message to the client, and keeps it. */
  keep(message: Encoded): void {
    this.#kept.push(message);
    this.#keptBytes += bytesOf(message);
    this.#lastSent++;
  }

  /** The next message for the present transport, each once; undefined when it has got all. */
  next(): Encoded | undefined {
    const message = this.#kept[this.#passed];
    if (message === undefined) return undefined;
    this.#passed++;
    this.#forget();
    return message;
  }

  /** A new transport, which is to get all that is kept. Returns the number of its first message, for Sequence. */
  restart(): number {
    this.#passed = 0;
    return this.#lastSent - this.#kept.length + 1;
  }

  /**
   * The client has these. Returns whether that is news.
   * @throws SequenceError when they were never sent
   */
  acknowledge(upTo: number): boolean {
    if (upTo < 1) throw new SequenceError('Ack ID must be greater than zero.');
    if (upTo > this.#lastSent) throw new SequenceError("Ack ID greater than amount of messages we've sent.");
    if (upTo <= this.#lastAcknowledged) return false;
    this.#lastAcknowledged = upTo;
    this.#forget();
    return true;
  }

  /** Counts a message of the client. Returns whether it is new. */
  receive(): boolean {
    const number = this.#nextReceived++;
    if (number <= this.#lastReceived) return false;
    this.#lastReceived = number;
    return true;
  }

  /**
   * The number of the client's next message, as its Sequence says.
   * @throws SequenceError when messages before it are missing
   */
  renumber(next: number): void {
    if (next < 1) throw new SequenceError('Sequence ID must be greater than zero.');
    // By what has come, not by what was to come: a client that breaks off while it repeats itself goes on behind that.
    if (next > this.#lastReceived + 1) throw new SequenceError("Sequence ID greater than amount of messages we've received.");
    this.#nextReceived = next;
    // It repeats what it has no acknowledgement for, so that one was lost.
    if (next <= this.#lastReceived) this.#lastAcknowledgement = next - 1;
  }

  /** The number to acknowledge to the client, each once; undefined when nothing new has come. */
  takeAcknowledgement(): number | undefined {
    if (this.#lastAcknowledgement === this.#lastReceived) return undefined;
    this.#lastAcknowledgement = this.#lastReceived;
    return this.#lastReceived;
  }

  /** Not before the present transport has got them, whatever was acknowledged: the client counts on from Sequence. */
  #forget(): void {
    const acknowledged = this.#kept.length - (this.#lastSent - this.#lastAcknowledged);
    const count = Math.min(acknowledged, this.#passed);
    if (count <= 0) return;
    for (const message of this.#kept.splice(0, count)) this.#keptBytes -= bytesOf(message);
    this.#passed -= count;
  }
}
