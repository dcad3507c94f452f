/**
 * Where the mailbox meets SignalR: a connection is a reader of its transaction's mailbox, and may ack and nack what it got.
 */
import type { Backplane } from '../../backplane/backplane.ts';
import type { Clock } from '../../clock.ts';
import { RingbackError } from '../../errors.ts';
import { byteLength, JsonTextError, parseJsonText } from '../../json/json-text.ts';
import type { Logger } from '../../logger.ts';
import { encodeJsonValue, Hub, HubError, jsonProtocol, messagePackProtocol } from '../../signalr/index.ts';
import type { JsonText, Store } from '../../store/store.ts';
import { Attachment, type AttachmentContext } from '../../transactions/attachment.ts';
import type { ConnectionTable } from '../../transactions/connection-table.ts';
import { Expiries } from '../../transactions/expiries.ts';
import type { Receipts } from '../../transactions/receipts.ts';
import type { Tickets } from '../../transactions/tickets.ts';
import type { Limits } from '../configuration.ts';
import type { Metrics } from '../metrics.ts';
import { pageAcked } from '../milestones.ts';
import type { Page } from './page.ts';
import { PageReader, type PageConnection } from './reader.ts';

export interface PageHubOptions {
  readonly store: Store;
  readonly backplane: Backplane;
  readonly receipts: Receipts;
  readonly connections: ConnectionTable;
  readonly tickets: Tickets;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Tells the time of the store, by which transactions expire; nodes that share it go by that. */
  readonly storeClock: Clock;
  /** The name of this node, for the connection table. */
  readonly node: string;
}

/** A reply that is too large by less than this is answered with an error; one that is larger still ends the connection. */
const FRAME_OVERHEAD_BYTES = 122_880;

export function createPageHub(options: PageHubOptions): Hub<Page, Attachment> {
  const pages = new Pages(options);
  return new Hub<Page, Attachment>({
    methods: {
      ack: ({ connection }, ...args) => pages.ack(connection, args),
      nack: ({ connection }, ...args) => pages.nack(connection, args),
    },
    onHandshake: (page) => pages.bind(page),
    onConnected: ({ connection }) => pages.attach(connection),
    onDisconnected: ({ connection }) => pages.detach(connection),
    protocols: [jsonProtocol, messagePackProtocol],
    maximumReceiveMessageSize: options.limits.replyBytes + FRAME_OVERHEAD_BYTES,
    clock: options.clock,
    logger: options.logger,
  });
}

class Pages {
  readonly #options: PageHubOptions;
  readonly #context: AttachmentContext;

  constructor(options: PageHubOptions) {
    this.#options = options;
    this.#context = { ...options, clock: options.storeClock, expiries: new Expiries(options.storeClock) };
  }

  /** Ties the ticket to this connection before the handshake is answered: from then on it is good for nothing else. */
  async bind(connection: PageConnection): Promise<void> {
    const { ticketHash, transactionId } = connection.principal;
    const { tickets, store, connections, node } = this.#options;
    const isGood =
      ticketHash === undefined
        ? (await store.read(transactionId, { after: 'acked', limit: 1 })) !== undefined
        : await tickets.bind(ticketHash, connection.id, node);
    if (!isGood) throw new HubError('The ticket of this connection is no longer good.');
    // It left meanwhile, and nobody will say so: its ticket goes now.
    if (connection.isClosed) connections.remove(connection.id);
  }

  /** No ack is looked at before it is known where the page stands; messages may be on their way to it before that. */
  async attach(connection: PageConnection): Promise<void> {
    const { logger, connections, node, clock } = this.#options;
    const { transactionId, tokenId, after } = connection.principal;
    const reader = new PageReader(connection, this.#options);
    connections.add({ id: connection.id, transactionId, node, transport: connection.transport, since: clock.now() });
    const attachment = new Attachment({ transactionId, tokenId, after, reader }, this.#context);
    connection.items = attachment;
    connection.onWritable = resume;
    logger.debug({ event: 'page.attached', transactionId, connectionId: connection.id, transport: connection.transport });
    await attachment.begun();
  }

  detach(connection: PageConnection): void {
    connection.items?.[Symbol.dispose]();
    this.#options.connections.remove(connection.id);
    this.#options.logger.debug({ event: 'page.detached', connectionId: connection.id });
  }

  ack(page: PageConnection, args: readonly unknown[]): void {
    this.#counted('ack', () => {
      if (args.length > 2) throw new HubError('expected ack(sequence, reply?)');
      attachmentOf(page).ack(sequenceOf(args[0]), this.#replyOf(args[1]));
    });
    if (pageAcked.hasSubscribers) pageAcked.publish({ transactionId: page.principal.transactionId });
  }

  nack(page: PageConnection, args: readonly unknown[]): void {
    this.#counted('nack', () => {
      const [sequence, error] = args;
      if (args.length !== 2 || typeof error !== 'string')
        throw new HubError('expected nack(sequence, error) with a text as the error');
      this.#requireSize(error);
      attachmentOf(page).nack(sequenceOf(sequence), error);
    });
  }

  #counted(kind: 'ack' | 'nack', act: () => void): void {
    const { metrics } = this.#options;
    try {
      act();
      metrics.acks.inc({ kind });
    } catch (error) {
      metrics.refusedCalls.inc({ kind });
      // The text of a HubError is what an invocation gets; a send gets nothing.
      throw error instanceof RingbackError ? new HubError(`${error.code}: ${error.message}`) : error;
    }
  }

  #replyOf(reply: unknown): JsonText | undefined {
    if (reply === undefined) return undefined;
    const text = textOf(reply, this.#options.limits.jsonDepth);
    this.#requireSize(text);
    return text;
  }

  #requireSize(text: string): void {
    const { replyBytes } = this.#options.limits;
    const bytes = byteLength(text);
    if (bytes > replyBytes) throw new HubError(`reply_too_large: it has ${bytes} bytes, at most ${replyBytes} are taken`);
  }
}

function resume(this: PageConnection): void {
  this.items?.resume();
}

function attachmentOf(page: PageConnection): Attachment {
  if (page.items === undefined) throw new HubError('this connection is not attached');
  return page.items;
}

function sequenceOf(sequence: unknown): number {
  if (typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence > 0) return sequence;
  throw new HubError('sequence_out_of_range: expected a positive integer as the sequence');
}

function textOf(reply: unknown, maxDepth: number): JsonText {
  try {
    return parseJsonText(encodeJsonValue(reply), maxDepth).compact;
  } catch (error) {
    // A RangeError: nested deeper than the serializer can walk.
    if (error instanceof JsonTextError || error instanceof RangeError)
      throw new HubError('json_too_deep: the reply is nested too deeply');
    // Of MessagePack's 64-bit integers JSON's readers keep 53 bits.
    if (error instanceof TypeError) throw new HubError('invalid_request: the reply holds an integer beyond 2^53-1');
    throw error;
  }
}
