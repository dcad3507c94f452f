/**
 * Tickets: what a browser puts into a URL instead of its access token. Good for any connection of its transaction until one
 * has attached with it, within a minute; from then on for that connection alone.
 */
import type { Store } from '../store/store.ts';
import type { FreshGrants } from './fresh-grants.ts';
import { hashSecret, newSecret } from './secrets.ts';

const TICKET_TTL_MS = 60_000;

export interface PageIdentity {
  readonly transactionId: string;
  /** The access token; absent where the app authenticated the page itself. */
  readonly tokenId?: string | undefined;
}

/** A ticket as it was found. */
export interface Ticket extends PageIdentity {
  readonly hash: string;
  /** The one connection it is good for; absent while none has attached with it. */
  readonly connectionId?: string;
}

export interface TicketsOptions {
  readonly store: Pick<Store, 'addTicket' | 'findTicket' | 'bindTicket' | 'findToken'>;
  readonly fresh: FreshGrants;
}

export class Tickets {
  readonly #store: TicketsOptions['store'];
  readonly #fresh: FreshGrants;

  constructor({ store, fresh }: TicketsOptions) {
    this.#store = store;
    this.#fresh = fresh;
  }

  /**
   * Who may ask for a ticket with this access token; {@link issue} then decides, since the token may be gone by now.
   * @throws RingbackError store_unavailable
   */
  async holder(tokenHash: string): Promise<PageIdentity | undefined> {
    return this.#fresh.take(tokenHash) ?? (await this.#store.findToken(tokenHash));
  }

  /** A new ticket, committed; undefined when the transaction or the token is gone. @throws RingbackError store_unavailable */
  async issue({ transactionId, tokenId }: PageIdentity): Promise<string | undefined> {
    const ticket = newSecret('ticket');
    const hash = hashSecret(ticket);
    const isIssued = await this.#store.addTicket({
      hash,
      transactionId,
      ttlMs: TICKET_TTL_MS,
      ...(tokenId !== undefined && { tokenId }),
    });
    if (!isIssued) return undefined;
    this.#fresh.remember(hash, { transactionId, tokenId });
    return ticket;
  }

  /**
   * Undefined: never issued, too late, or dead with its token. One that is found may be so a moment later: {@link bind}
   * decides. @throws RingbackError store_unavailable
   */
  async find(hash: string): Promise<Ticket | undefined> {
    const record = this.#fresh.take(hash) ?? (await this.#store.findTicket(hash));
    return record === undefined ? undefined : { ...record, hash };
  }

  /** Ties it to this connection; false when another one was first, or it is too late. @throws RingbackError store_unavailable */
  bind(hash: string, connectionId: string): Promise<boolean> {
    return this.#store.bindTicket(hash, connectionId);
  }
}
