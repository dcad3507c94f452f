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
    const ticket = await this.#options.tickets.issue({ transactionId, tokenId });
    // Revoked or forgotten since it was looked at.
    return ticket === undefined ? unauthorized : { accessToken: ticket };
  }

  async #authenticate(request: EndpointRequest<Page>): Promise<Authentication<Page>> {
    requireSingleHeaders(request.incoming);
    if (!this.#originIsFine(request)) return forbidden;
    const after = afterOf(request.url);
    if (after === 'invalid') return { status: 400, body: 'expected ?after=<position>, an integer of at least 0' };
    const identity = await this.#identify(request);
    if (identity !== undefined) {
      const { transactionId, tokenId, credentialHash, ticketHash } = identity;
      // Written out: an object made by spreading would be twice as large, for as long as the page is connected.
      return { principal: { transactionId, tokenId, credentialHash, ticketHash, after } };
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

  async #identify(request: EndpointRequest<Page>): Promise<Identity | undefined> {
    const credential = this.#credentialOf(request);
    if (credential === undefined) return this.#askApp(request);
    const hash = hashSecret(credential);
    const known = request.connection?.principal;
    if (known !== undefined && known.credentialHash === hash) return known;
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

  async #byTicket({ connection }: EndpointRequest<Page>, hash: string): Promise<Identity | undefined> {
    const found = await this.#options.tickets.find(hash);
    if (found === undefined) return undefined;
    if (found.connectionId !== undefined && found.connectionId !== connection?.id) return undefined;
    return { transactionId: found.transactionId, tokenId: found.tokenId, credentialHash: found.hash, ticketHash: found.hash };
  }

  async #byToken({ kind }: EndpointRequest<Page>, hash: string): Promise<Identity | undefined> {
    const { tickets, store } = this.#options;
    const token = await (kind === 'negotiate' ? tickets.holder(hash) : store.findToken(hash));
    if (token === undefined) return undefined;
    return { transactionId: token.transactionId, tokenId: token.tokenId, credentialHash: hash, ticketHash: undefined };
  }

  /** Only where the page begins: whoever has a connection already shows the ticket that it was given for it. */
  async #askApp({ kind, connection, incoming, url }: EndpointRequest<Page>): Promise<Identity | undefined> {
    const { authenticate, store } = this.#options;
    if (authenticate === undefined || connection !== undefined || (kind !== 'negotiate' && kind !== 'connect')) return undefined;
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
