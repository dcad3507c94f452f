/**
 * Tickets: what a browser puts into a URL instead of its access token. Good for any connection of its transaction until one
 * has attached with it, within a minute; from then on for that connection alone.
 */
import type { Store } from '../store/store.ts';
import { hashSecret, newSecret } from './secrets.ts';

const TICKET_TTL_MS = 60_000;

export interface PageIdentity {
  readonly transactionId: string;
  /** The access token; absent where the app authenticated the page itself. */
  readonly tokenId?: string;
}

/** A ticket as it was found. */
export interface Ticket extends PageIdentity {
  readonly hash: string;
  /** The one connection it is good for; absent while none has attached with it. */
  readonly connectionId?: string;
}

export class Tickets {
  readonly #store: Pick<Store, 'addTicket' | 'findTicket' | 'bindTicket'>;

  constructor(store: Pick<Store, 'addTicket' | 'findTicket' | 'bindTicket'>) {
    this.#store = store;
  }

  /** A new ticket, committed; undefined when the transaction or the token is gone. @throws RingbackError store_unavailable */
  async issue({ transactionId, tokenId }: PageIdentity): Promise<string | undefined> {
    const ticket = newSecret('ticket');
    const isIssued = await this.#store.addTicket({
      hash: hashSecret(ticket),
      transactionId,
      ttlMs: TICKET_TTL_MS,
      ...(tokenId !== undefined && { tokenId }),
    });
    return isIssued ? ticket : undefined;
  }

  /** Undefined: never issued, too late, or dead with its token. @throws RingbackError store_unavailable */
  async find(ticket: string): Promise<Ticket | undefined> {
    const hash = hashSecret(ticket);
    const record = await this.#store.findTicket(hash);
    return record === undefined ? undefined : { ...record, hash };
  }

  /** Ties it to this connection; false when another one was first, or it is too late. @throws RingbackError store_unavailable */
  bind(hash: string, connectionId: string): Promise<boolean> {
    return this.#store.bindTicket(hash, connectionId);
  }
}
