/** A provider, played by the `standardwebhooks` package: what it signs owes nothing to the code under test. */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { presets } from '../../src/webhooks/presets.ts';
import { readSecret } from '../../src/webhooks/secret.ts';
import type { WebhookSource } from '../../src/webhooks/source.ts';

export function newSecret(bytes: Uint8Array = randomBytes(24)): string {
  return `whsec_${Buffer.from(bytes).toString('base64')}`;
}

export interface Attempt {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly body: string;
}

export interface SignedHeaders extends Record<string, string> {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

/** The headers of one attempt; with several secrets, one signature of each, as while a secret is rotated. */
export function signedBy(secrets: string | readonly string[], { id, at, body }: Attempt): SignedHeaders {
  const signatures = [secrets].flat().map((secret) => new Webhook(secret).sign(id, new Date(at), body));
  return { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)), 'webhook-signature': signatures.join(' ') };
}

/** Each header once, as Node tells them. */
export function distinct(headers: Readonly<Record<string, string>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
}

export function source(secrets: readonly string[], rest: Partial<WebhookSource> = {}): WebhookSource {
  const keys = secrets.map((secret) => {
    const reading = readSecret(secret, presets['standard-webhooks'].secret);
    if ('problem' in reading) throw new TypeError(reading.problem);
    return reading.value;
  });
  return { name: 'acme', preset: 'standard-webhooks', secrets: keys, transaction: '/data/reference', type: '/type', ...rest };
}
