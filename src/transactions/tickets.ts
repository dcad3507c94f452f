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
  /** Other nodes use and revoke what this one has issued: a ticket is looked up whenever it comes. Default: false. */
  readonly isShared?: boolean;
}

export class Tickets {
  readonly #store: TicketsOptions['store'];
  readonly #fresh: FreshGrants;
  readonly #isShared: boolean;

  constructor({ store, fresh, isShared = false }: TicketsOptions) {
    this.#store = store;
    this.#fresh = fresh;
    this.#isShared = isShared;
  }

  /**
   * Who may ask for a ticket with this access token; {@link issue} then decides, since the token may be gone by now.
   * @throws RingbackError store_unavailable
   */
  async holder(tokenHash: string): Promise<PageIdentity | undefined> {
    return this.#fresh.take(tokenHash) ?? (await this.#store.findToken(tokenHash));
  }

  /**
   * What ties a connection to a page that came without a ticket, where nodes share the store: it is bound as one, so that only one
   * node gets the connection. Undefined: there is one node only, or the transaction or the token is gone.
   * @throws RingbackError store_unavailable
   */
  async claim(identity: PageIdentity): Promise<string | undefined> {
    const ticket = this.#isShared ? await this.issue(identity) : undefined;
    return ticket === undefined ? undefined : hashSecret(ticket);
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
    if (!this.#isShared) this.#fresh.remember(hash, { transactionId, tokenId });
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

  /**
   * Ties it to this connection at this node; false when another one was first, or it is too late.
   * @throws RingbackError store_unavailable
   */
  bind(hash: string, connectionId: string, node: string): Promise<boolean> {
    return this.#store.bindTicket(hash, connectionId, node);
  }
}
