/** The page's side of an attachment: what the mailbox says, as calls of the page's hub methods. */
import type { Clock } from '../../clock.ts';
import { RawJson, type HubConnection } from '../../signalr/index.ts';
import type { StoredMessage } from '../../store/store.ts';
import type { Attachment, ClosedReason, Reader } from '../../transactions/attachment.ts';
import { pageDelivered } from '../milestones.ts';
import { messageJson } from '../wire.ts';
import type { Page } from './page.ts';

export type PageConnection = HubConnection<Page, Attachment>;

/**
 * No Close comes sooner behind the handshake's answer: official clients that read both at once take it for a failed start,
 * which those that reconnect would repeat.
 */
const SHORTEST_LIFE_MS = 250;

export interface PageReaderOptions {
  readonly connection: PageConnection;
  readonly clock: Clock;
  /** A message was handed to the transport. */
  readonly onDelivery: () => void;
  /** A message of another transaction came as far as here; it was not sent. */
  readonly onMisrouted: (message: StoredMessage) => void;
}

export class PageReader implements Reader {
  readonly #options: PageReaderOptions;
  readonly #since: number;

  constructor(options: PageReaderOptions) {
    this.#options = options;
    this.#since = options.clock.now();
  }

  get isWritable(): boolean {
    return this.#options.connection.isWritable;
  }

  deliver(message: StoredMessage): boolean {
    const { connection, onDelivery, onMisrouted } = this.#options;
    // The last look before the wire: whatever went wrong further in, nobody gets another's message.
    if (message.transactionId !== connection.principal.transactionId) {
      onMisrouted(message);
      return false;
    }
    connection.send('message', new RawJson(messageJson(message)));
    onDelivery();
    if (pageDelivered.hasSubscribers) pageDelivered.publish({ transactionId: message.transactionId, sequence: message.sequence });
    return true;
  }

  caughtUp(sequence: number, reset: boolean): void {
    this.#options.connection.send('caughtUp', reset ? { sequence, reset } : { sequence });
  }

  closed(reason: ClosedReason): void {
    this.#options.connection.send('closed', { reason });
  }

  end(): void {
    const { connection, clock } = this.#options;
    const close = (): void => connection.close({ allowReconnect: false });
    const leftMs = this.#since + SHORTEST_LIFE_MS - clock.now();
    if (leftMs > 0) clock.after(leftMs, close);
    else close();
  }
}
