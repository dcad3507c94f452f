/** A provider that delivers over HTTP, byte for byte: to a source `acme` that the server is configured with. */
import type { RingbackConfiguration } from '../../src/server/configuration.ts';
import { exchange, type HeaderLine, type WireAnswer } from '../http/wire-client.ts';
import { newSecret, signedBy, type SignedHeaders } from './provider.ts';

export const SECRET = newSecret();

/** For the configuration of a server. */
export const webhooks = {
  acme: { preset: 'standard-webhooks', secrets: [SECRET], transaction: '/data/reference' },
} satisfies RingbackConfiguration['webhooks'];

export interface Delivery {
  /** Default: another one each time. */
  readonly id?: string;
  /** Epoch milliseconds. Default: now. */
  readonly at?: number;
  readonly secret?: string;
  readonly source?: string;
  /** Besides the three of the signature. */
  readonly headers?: readonly HeaderLine[];
}

let count = 0;

/** Signs these very bytes. */
export function headersFor(
  body: string,
  { id = `event ${++count}`, at = Date.now(), secret = SECRET }: Delivery = {},
): SignedHeaders {
  return signedBy(secret, { id, at, body });
}

export function deliver(url: string, body: unknown, delivery: Delivery = {}): Promise<WireAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const signed = Object.entries(headersFor(text, delivery));
  const headers = [...signed, ...(delivery.headers ?? [])];
  const { pathname } = new URL(url);
  const path = `${pathname === '/' ? '' : pathname}/webhooks/${delivery.source ?? 'acme'}`;
  return exchange(url, { method: 'POST', path, headers, body: text });
}

/** An event of this type for the transaction with this reference or id. */
export function event(reference: unknown, type = 'paid'): object {
  return { type, data: { reference } };
}
