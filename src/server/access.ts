/**
 * Who is asking, and whether that one may: the only place that decides it for the HTTP API. The same answer for every
 * credential that is not good for the very transaction asked about, whether it exists or not.
 */
import type { IncomingMessage } from 'node:http';
import { RingbackError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { hashSecret } from '../transactions/secrets.ts';
import type { ApiKeys } from './api-keys.ts';
import { bearerOf, requireSingleHeaders } from './bearer.ts';
import type { ClientAddresses } from './client-address.ts';
import type { Origins } from './origins.ts';
import type { Throttle } from './throttle.ts';

/**
 * Who may use a route. `anonymous`: an API key, or a page of an allowed origin without any credential. `callback`: whoever
 * knows the secret in the path. `demo`: an API key, or who sits at this machine.
 */
export type Rule = 'api-key' | 'api-key-or-own-token' | 'own-token' | 'anonymous' | 'callback' | 'demo';

export type Caller =
  | { readonly kind: 'api-key' }
  | { readonly kind: 'page'; readonly transactionId: string; readonly tokenId: string }
  | { readonly kind: 'anonymous'; readonly origin: string }
  | { readonly kind: 'callback'; readonly transactionId: string }
  | { readonly kind: 'local' };

const API_KEY: Caller = { kind: 'api-key' };

/** What a request names in its path: the `id` of a transaction, the `secret` of a callback. Asked only where it decides. */
export type Subject = (parameter: 'id' | 'secret') => string | undefined;

export interface AccessOptions {
  readonly store: Pick<Store, 'findToken' | 'findCallback'>;
  readonly apiKeys: ApiKeys;
  readonly origins: Origins;
  readonly addresses: ClientAddresses;
  readonly failedCredentials: Throttle;
  readonly anonymousOpens: Throttle;
  /** Whether a request comes from this very machine. */
  readonly isLocal: (request: IncomingMessage) => boolean;
}

export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * At once for an API key, which is all that most requests show; what has to be looked up takes a moment.
   * @throws RingbackError (or rejects) unauthorized, wrong_credential, origin_not_allowed, rate_limited, malformed_request,
   *   store_unavailable; not_found, for an unknown callback URL
   */
  authorize(request: IncomingMessage, rule: Rule, subject: Subject): Caller | Promise<Caller> {
    requireSingleHeaders(request);
    if (rule === 'callback') return this.#callback(request, subject('secret') ?? '');
    if (rule === 'demo') return this.#demo(request);
    const bearer = bearerOf(request);
    if (bearer !== undefined && this.#options.apiKeys.includes(bearer)) {
      if (rule !== 'own-token') return API_KEY;
      throw new RingbackError('wrong_credential', {
        detail: 'this is for the page: an access token of the transaction is needed',
      });
    }
    if (bearer === undefined && rule === 'anonymous') return this.#anonymous(request);
    if (rule === 'own-token' || rule === 'api-key-or-own-token') this.#requireOrigin(request);
    const caller = this.#page(request, bearer, subject('id'));
    return rule === 'api-key' ? caller.then(refusePage) : caller;
  }

  /** Whether the request shows an API key, which is then the only thing that decides about it. */
  showsApiKey(request: IncomingMessage): boolean {
    const bearer = bearerOf(request);
    return bearer !== undefined && this.#options.apiKeys.includes(bearer);
  }

  /** @throws RingbackError rate_limited, when this address has shown too many bad credentials */
  async countFailure(request: IncomingMessage): Promise<void> {
    await this.#options.failedCredentials.count(this.#options.addresses.of(request));
  }

  async #page(request: IncomingMessage, bearer: string | undefined, transactionId: string | undefined): Promise<Caller> {
    if (bearer === undefined) throw new RingbackError('unauthorized');
    const token = await this.#options.store.findToken(hashSecret(bearer));
    if (token === undefined || token.transactionId !== transactionId) {
      await this.countFailure(request);
      throw new RingbackError('unauthorized');
    }
    return { kind: 'page', transactionId, tokenId: token.tokenId };
  }

  async #demo(request: IncomingMessage): Promise<Caller> {
    this.#requireOrigin(request);
    if (this.showsApiKey(request)) return API_KEY;
    const isBare = bearerOf(request) === undefined;
    if (isBare && this.#options.isLocal(request)) return { kind: 'local' };
    if (!isBare) await this.countFailure(request);
    throw new RingbackError('unauthorized');
  }

  async #callback(request: IncomingMessage, secret: string): Promise<Caller> {
    const transactionId = await this.#options.store.findCallback(hashSecret(secret));
    if (transactionId !== undefined) return { kind: 'callback', transactionId };
    await this.countFailure(request);
    throw new RingbackError('not_found');
  }

  /** Browsers send an Origin with every request that crosses origins; what sends none is no page. */
  #requireOrigin(request: IncomingMessage): void {
    const { origin } = request.headers;
    if (origin !== undefined && !this.#options.origins.isAllowed(origin)) throw new RingbackError('origin_not_allowed');
  }

  async #anonymous(request: IncomingMessage): Promise<Caller> {
    const { origin } = request.headers;
    if (origin === undefined || !this.#options.origins.isAllowed(origin)) {
      throw new RingbackError('origin_not_allowed', {
        detail: 'without an API key, only pages of an allowed origin may open a transaction',
      });
    }
    await this.#options.anonymousOpens.count(this.#options.addresses.of(request));
    return { kind: 'anonymous', origin };
  }
}

function refusePage(): never {
  throw new RingbackError('wrong_credential', { detail: 'an access token does not grant this; an API key is needed' });
}
