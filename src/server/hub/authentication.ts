/**
 * Who may connect to the hub: an access token or a ticket in a header, a ticket in a URL, or what the app itself makes of
 * the request. An access token in a URL is refused, since URLs end in logs.
 */
import type { IncomingMessage } from 'node:http';
import { RingbackError } from '../../errors.ts';
import type { Authentication, EndpointRequest, NegotiateAdditions, Refusal } from '../../signalr/index.ts';
import type { Store } from '../../store/store.ts';
import { hashSecret, looksLike } from '../../transactions/secrets.ts';
import type { Tickets } from '../../transactions/tickets.ts';
import type { Access } from '../access.ts';
import { bearerOf, requireSingleHeaders } from '../bearer.ts';
import type { Origins } from '../origins.ts';
import type { Page } from './page.ts';

/** What an app's own handler may look at. */
export interface PageRequest {
  /** As the page gave it to its client: `hubUrl` with the page's own query. */
  readonly url: URL;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly incoming: IncomingMessage;
}

/**
 * The custom auth handler: validates whatever the page sends (query, cookie, header) against the app's own data, and names
 * the transaction that the page may receive; null refuses it with 401. If it throws: 500, and the page learns no more.
 */
export type Authenticate = (request: PageRequest) => { transactionId: string } | null | Promise<{ transactionId: string } | null>;

export interface HubAuthenticationOptions {
  readonly store: Pick<Store, 'findToken' | 'read'>;
  readonly tickets: Tickets;
  readonly access: Access;
  readonly origins: Origins;
  readonly allowTokenInQuery: boolean;
  /** Replaces access tokens; tickets are given out and taken all the same. */
  readonly authenticate: Authenticate | undefined;
}

type Identity = Omit<Page, 'after'>;
/** `isAttachedElsewhere`: the ticket is bound to the connection that the request names, which another node carries. */
type Identified = Identity & { readonly isAttachedElsewhere?: true };

const unauthorized: Refusal = { status: 401, headers: { 'www-authenticate': 'Bearer' } };
const forbidden: Refusal = { status: 403 };

export class HubAuthentication {
  readonly #options: HubAuthenticationOptions;

  constructor(options: HubAuthenticationOptions) {
    this.#options = options;
  }

  async authenticate(request: EndpointRequest<Page>): Promise<Authentication<Page>> {
    try {
      return await this.#authenticate(request);
    } catch (error) {
      if (error instanceof RingbackError) return refusalOf(error);
      throw error;
    }
  }

  /** Swaps the access token for a ticket; the client uses that from here on. A ticket is its own successor. */
  async onNegotiate(_request: EndpointRequest<Page>, page: Page): Promise<NegotiateAdditions | Refusal> {
    if (page.ticketHash !== undefined) return {};
    const { transactionId, tokenId } = page;
    try {
      const ticket = await this.#options.tickets.issue({ transactionId, tokenId });
      // Revoked or forgotten since it was looked at.
      return ticket === undefined ? unauthorized : { accessToken: ticket };
    } catch (error) {
      if (error instanceof RingbackError) return refusalOf(error);
      throw error;
    }
  }

  async #authenticate(request: EndpointRequest<Page>): Promise<Authentication<Page>> {
    requireSingleHeaders(request.incoming);
    if (!this.#originIsFine(request)) return forbidden;
    const after = afterOf(request.url);
    if (after === 'invalid') return { status: 400, body: 'expected ?after=<position>, an integer of at least 0' };
    const identity = await this.#identify(request);
    if (identity !== undefined) {
      const { transactionId, tokenId, credentialHash, ticketHash, isAttachedElsewhere = false } = identity;
      // Written out: an object made by spreading would be twice as large, for as long as the page is connected.
      return { principal: { transactionId, tokenId, credentialHash, ticketHash, after }, isAttachedElsewhere };
    }
    // Nothing shown is nothing guessed; but what an app's own handler looks at cannot be told from here.
    const hasShown = this.#credentialOf(request) !== undefined || this.#options.authenticate !== undefined;
    if (hasShown) await this.#options.access.countFailure(request.incoming);
    return unauthorized;
  }

  /**
   * Browsers send an Origin with whatever could be a forged request; a request without one is of a program, which shows
   * what it has in a header (or, for an event stream, has no way to), or is judged by the app alone.
   */
  #originIsFine({ kind, transport, incoming, url }: EndpointRequest<Page>): boolean {
    const { origin, authorization } = incoming.headers;
    if (origin !== undefined) return this.#options.origins.isAllowed(origin);
    if (authorization !== undefined || !url.searchParams.has('access_token')) return true;
    return kind === 'connect' && transport === 'ServerSentEvents';
  }

  async #identify(request: EndpointRequest<Page>): Promise<Identified | undefined> {
    const credential = this.#credentialOf(request);
    if (credential === undefined) return this.#askApp(request);
    const hash = hashSecret(credential);
    const known = request.connection?.principal;
    // Not before its transport has come: by then another node may carry it.
    if (known !== undefined && request.connection?.transport !== undefined && known.credentialHash === hash) return known;
    if (looksLike('ticket', credential)) return (await this.#byTicket(request, hash)) ?? this.#askApp(request);
    return this.#options.authenticate === undefined ? this.#byToken(request, hash) : this.#askApp(request);
  }

  /** From the header; from the query only where a browser cannot set headers, and then only what is made for it. */
  #credentialOf({ kind, incoming, url }: EndpointRequest<Page>): string | undefined {
    const bearer = bearerOf(incoming);
    if (bearer !== undefined) return bearer;
    if (kind === 'negotiate' && !this.#options.allowTokenInQuery) return undefined;
    const inQuery = url.searchParams.get('access_token') ?? undefined;
    if (inQuery === undefined || looksLike('ticket', inQuery) || this.#options.allowTokenInQuery) return inQuery;
    return undefined;
  }

  async #byTicket({ connection, connectionId }: EndpointRequest<Page>, hash: string): Promise<Identified | undefined> {
    const found = await this.#options.tickets.find(hash);
    if (found === undefined) return undefined;
    const { transactionId, tokenId } = found;
    const identity = { transactionId, tokenId, credentialHash: found.hash, ticketHash: found.hash };
    if (found.connectionId === undefined) return identity;
    if (found.connectionId !== connectionId) return undefined;
    return connection?.transport === undefined ? { ...identity, isAttachedElsewhere: true } : identity;
  }

  async #byToken({ kind, connectionId }: EndpointRequest<Page>, hash: string): Promise<Identity | undefined> {
    const { tickets, store } = this.#options;
    const token = await (kind === 'negotiate' ? tickets.holder(hash) : store.findToken(hash));
    if (token === undefined) return undefined;
    const { transactionId, tokenId } = token;
    const isNamed = kind === 'connect' && connectionId !== undefined;
    const ticketHash = isNamed ? await tickets.claim({ transactionId, tokenId }) : undefined;
    return { transactionId, tokenId, credentialHash: hash, ticketHash };
  }

  /** Only where the page begins: whoever has a connection already shows the ticket that it was given for it. */
  async #askApp({ kind, connectionId, incoming, url }: EndpointRequest<Page>): Promise<Identity | undefined> {
    const { authenticate, store } = this.#options;
    if (authenticate === undefined || connectionId !== undefined || (kind !== 'negotiate' && kind !== 'connect'))
      return undefined;
    const named = await authenticate({ url, query: url.searchParams, headers: incoming.headers, incoming });
    // Apps without types may forget to return anything; and what they name may be forgotten by now.
    if (!named || (await store.read(named.transactionId, { after: 'acked', limit: 1 })) === undefined) return undefined;
    return { transactionId: named.transactionId, tokenId: undefined, credentialHash: undefined, ticketHash: undefined };
  }
}

/** The query of the page travels with every request of its connection. */
function afterOf(url: URL): number | undefined | 'invalid' {
  const values = url.searchParams.getAll('after');
  if (values.length === 0) return undefined;
  return values.length === 1 && /^\d{1,15}$/.test(values[0] ?? '') ? Number(values[0]) : 'invalid';
}

function refusalOf({ status, retryAfter }: RingbackError): Refusal {
  return retryAfter === undefined ? { status } : { status, headers: { 'retry-after': String(retryAfter) } };
}
