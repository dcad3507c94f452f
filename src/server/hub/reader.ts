/** The page's side of an attachment: what the mailbox says, as calls of the page's hub methods. */
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { RawJson, type HubConnection } from '../../signalr/index.ts';
import type { StoredMessage } from '../../store/store.ts';
import type { Attachment, ClosedReason, Reader } from '../../transactions/attachment.ts';
import type { Metrics } from '../metrics.ts';
import { pageDelivered } from '../milestones.ts';
import { messageJson } from '../wire.ts';
import type { Page } from './page.ts';

export type PageConnection = HubConnection<Page, Attachment>;

/**
 * No Close comes sooner behind the handshake's answer: official clients that read both at once take it for a failed start,
 * which those that reconnect would repeat.
 */
const SHORTEST_LIFE_MS = 250;

/** What all readers of a server share. */
export interface PageReaderContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'deliveries'>;
}

export class PageReader implements Reader {
  readonly #connection: PageConnection;
  readonly #context: PageReaderContext;
  readonly #since: number;

  constructor(connection: PageConnection, context: PageReaderContext) {
    this.#connection = connection;
    this.#context = context;
    this.#since = context.clock.now();
  }

  get isWritable(): boolean {
    return this.#connection.isWritable;
  }

  deliver(message: StoredMessage): boolean {
    const connection = this.#connection;
    // The last look before the wire: whatever went wrong further in, nobody gets another's message.
    if (message.transactionId !== connection.principal.transactionId) {
      this.#context.logger.error({ event: 'message.misrouted', connectionId: connection.id });
      connection.close();
      return false;
    }
    connection.send('message', new RawJson(messageJson(message)));
    this.#context.metrics.deliveries.inc();
    if (pageDelivered.hasSubscribers) pageDelivered.publish({ transactionId: message.transactionId, sequence: message.sequence });
    return true;
  }

  caughtUp(sequence: number, reset: boolean): void {
    this.#connection.send('caughtUp', reset ? { sequence, reset } : { sequence });
  }

  closed(reason: ClosedReason): void {
    this.#connection.send('closed', { reason });
  }

  end(): void {
    const { clock } = this.#context;
    const close = (): void => this.#connection.close({ allowReconnect: false });
    const leftMs = this.#since + SHORTEST_LIFE_MS - clock.now();
    if (leftMs > 0) clock.after(leftMs, close);
    else close();
  }
}
