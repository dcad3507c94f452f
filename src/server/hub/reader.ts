/** The page's side of an attachment: what the mailbox says, as calls of the page's hub methods. */
import { RawJson, type HubConnection } from '../../signalr/index.ts';
import type { StoredMessage } from '../../store/store.ts';
import type { Attachment, ClosedReason, Reader } from '../../transactions/attachment.ts';
import { messageJson } from '../wire.ts';
import type { Page } from './page.ts';

export type PageConnection = HubConnection<Page, Attachment>;

export interface PageReaderOptions {
  readonly connection: PageConnection;
  /** A message was handed to the transport. */
  readonly onDelivery: () => void;
  /** A message of another transaction came as far as here; it was not sent. */
  readonly onMisrouted: (message: StoredMessage) => void;
}

export class PageReader implements Reader {
  readonly #options: PageReaderOptions;

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  get isWritable(): boolean {
    return this.#options.connection.isWritable;
  }

  deliver(message: StoredMessage): void {
    const { connection, onDelivery, onMisrouted } = this.#options;
    // The last look before the wire: whatever went wrong further in, nobody gets another's message.
    if (message.transactionId !== connection.principal.transactionId) return onMisrouted(message);
    connection.send('message', new RawJson(messageJson(message)));
    onDelivery();
  }

  caughtUp(sequence: number, reset: boolean): void {
    this.#options.connection.send('caughtUp', reset ? { sequence, reset } : { sequence });
  }

  closed(reason: ClosedReason): void {
    this.#options.connection.send('closed', { reason });
  }

  end(): void {
    this.#options.connection.close({ allowReconnect: false });
  }
}
