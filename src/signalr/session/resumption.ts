/**
 * What a session has beside, where its client may come back over a new transport: the one place through which all messages
 * to that client go that count, and which of the client's are new. Its clock is the connection's heartbeat.
 */
import { RESUMABLE_VERSION } from '../protocol/handshake.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { type HubMessage, MessageType } from '../protocol/messages.ts';
import type { Connection, Resumer } from '../transport/connection.ts';
import { MessageBuffer } from './message-buffer.ts';
import { SequenceError } from './sequence-error.ts';

/** For the client to show its Sequence after it has come back, and to acknowledge something of a full buffer. */
const PATIENCE_MS = 5_000;
/** Who sends on while the client is not writable fills the buffer to this many times its size before the client is dropped. */
const OVERFLOW_FACTOR = 10;

type Pipe = Pick<Connection<unknown>, 'send' | 'isWritable' | 'abort' | 'makeResumable'>;

export interface ResumptionParts {
  readonly connection: Pipe;
  readonly protocol: HubProtocol;
  /** Of the hub protocol, as the client has it. */
  readonly version: number;
  readonly settings: { readonly statefulReconnectBufferBytes: number };
}

/** Whose client may come back. */
interface Host {
  /** The next byte that comes is the first of a message. */
  startAnew(): void;
  /** Perhaps. */
  writable(): void;
}

export class Resumption implements Resumer {
  readonly #host: Host;
  readonly #connection: Pipe;
  readonly #protocol: HubProtocol;
  /** Of messages that wait for their acknowledgement: from here on the client is not writable. */
  readonly #bufferBytes: number;
  readonly #buffer = new MessageBuffer();
  #isSuspended = false;
  #owesSequence = false;
  /** Since when the client owes something; looked at once a second. */
  #owingSince: number | undefined;

  private constructor(host: Host, { connection, protocol, settings }: ResumptionParts) {
    this.#host = host;
    this.#connection = connection;
    this.#protocol = protocol;
    this.#bufferBytes = settings.statefulReconnectBufferBytes;
  }

  /** Undefined where client and endpoint have not agreed on stateful reconnect. */
  static of(host: Host, parts: ResumptionParts): Resumption | undefined {
    if (parts.version < RESUMABLE_VERSION) return undefined;
    const resumption = new Resumption(host, parts);
    return parts.connection.makeResumable(resumption) ? resumption : undefined;
  }

  /** While there is no transport: as long as the buffer has room. */
  get isWritable(): boolean {
    return !this.#isFull && (this.#isSuspended || this.#connection.isWritable);
  }

  /** Of a message that counts. It is kept until the client has acknowledged it. */
  send(message: string | Uint8Array): void {
    this.#buffer.keep(message);
    const limit = this.#bufferBytes * OVERFLOW_FACTOR;
    if (this.#buffer.bytes > limit) {
      this.#connection.abort(new Error(`the client acknowledges too slowly: more than ${limit} bytes of output wait`));
    } else {
      this.pass();
    }
  }

  /**
   * Whether the session is to see this message of the client: not what is only about the numbering, and nothing twice.
   * @throws SequenceError when the numbers do not fit
   */
  accepts(message: HubMessage): boolean {
    switch (message.type) {
      case MessageType.ack:
        this.#acknowledge(message.sequenceId);
        return false;
      case MessageType.sequence:
        this.#buffer.renumber(message.sequenceId);
        this.#owesSequence = false;
        this.#owingSince = undefined;
        return false;
      case MessageType.ping:
      case MessageType.close:
        return true;
      default:
        if (this.#owesSequence) throw new SequenceError('The first message of a resumed transport must be Sequence.');
        return this.#buffer.receive();
    }
  }

  suspended(): void {
    this.#isSuspended = true;
  }

  /** The new transport gets first of all what the client may have missed. */
  resumed(): void {
    this.#isSuspended = false;
    this.#owesSequence = true;
    this.#owingSince = undefined;
    this.#host.startAnew();
    this.#write({ type: MessageType.sequence, sequenceId: this.#buffer.restart() });
    this.#host.writable();
  }

  /** Hands over what is kept and not on its way yet, as much as the transport takes. */
  pass(): void {
    while (!this.#isSuspended && this.#connection.isWritable) {
      const message = this.#buffer.next();
      if (message === undefined) return;
      this.#connection.send(message);
    }
  }

  /** Even if the transport is slow: what follows is the end. */
  passAll(): void {
    for (let message = this.#buffer.next(); message !== undefined; message = this.#buffer.next()) this.#connection.send(message);
  }

  /**
   * Acknowledges what has come, and drops a client that owes something for too long. Returns whether a client is there.
   * @param isListening the session reads what the client sends
   */
  heartbeat(now: number, isListening: boolean): boolean {
    if (this.#isSuspended) return false;
    const sequenceId = this.#buffer.takeAcknowledgement();
    if (sequenceId !== undefined) this.#write({ type: MessageType.ack, sequenceId });
    const isOwing = isListening && (this.#owesSequence || this.#isFull);
    this.#owingSince = isOwing ? (this.#owingSince ?? now) : undefined;
    if (this.#owingSince === undefined || now - this.#owingSince < PATIENCE_MS) return true;
    const what = this.#owesSequence ? 'showed no Sequence on its return' : 'acknowledged nothing of a full buffer';
    this.#connection.abort(new Error(`the client ${what} for ${PATIENCE_MS} ms`));
    return false;
  }

  get #isFull(): boolean {
    return this.#buffer.bytes >= this.#bufferBytes;
  }

  #acknowledge(upTo: number): void {
    const wasFull = this.#isFull;
    if (this.#buffer.acknowledge(upTo)) this.#owingSince = undefined;
    if (wasFull && !this.#isFull) this.#host.writable();
  }

  #write(message: HubMessage): void {
    this.#connection.send(this.#protocol.encode(message));
  }
}
