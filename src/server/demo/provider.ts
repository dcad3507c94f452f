/**
 * The demo's payment provider: signs webhooks with a secret made at start and sends them to our own server over real HTTP.
 * Knows of that server no more than a provider does: an address and a secret.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { presets } from '../../webhooks/presets.ts';
import { readSecret } from '../../webhooks/secret.ts';
import { sign } from '../../webhooks/sign.ts';
import type { WebhookSource } from '../../webhooks/source.ts';
import type { Order } from './order-number.ts';

const SOURCE_NAME = 'demo-provider';

export const eventKinds = ['authorised', 'success', 'failure', 'duplicate', 'out-of-order', 'forged'] as const;
export type EventKind = (typeof eventKinds)[number];

/** One request, and what it was answered. */
export interface ProviderCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** 0: no answer came. */
  readonly status: number;
  readonly answer: string;
  readonly sentAt: string;
  readonly tookMs: number;
}

const ANSWER_WITHIN_MS = 10_000;
/** How long before its capture a payment was authorised. */
const AUTHORISED_BEFORE_MS = 1_500;

type Stage = 'authorised' | 'captured' | 'declined';

interface Event {
  readonly id: string;
  readonly body: string;
}

export class Provider {
  /** The other side of the secret: for the server's list of sources. */
  readonly source: WebhookSource;
  readonly #clock: Clock;
  readonly #secret = newSecret();
  #url = '';

  constructor(clock: Clock) {
    this.#clock = clock;
    const reading = readSecret(this.#secret, presets['standard-webhooks'].secret);
    if ('problem' in reading) throw new TypeError(reading.problem);
    this.source = {
      name: SOURCE_NAME,
      preset: 'standard-webhooks',
      secrets: [reading.value],
      transaction: '/data/reference',
      type: '/type',
    };
  }

  /** Where the server is to be called. */
  useServer(base: string): void {
    this.#url = `${base}/webhooks/${SOURCE_NAME}`;
  }

  /** One call after the other, in the order in which they were made. */
  async send(order: Order, kind: EventKind): Promise<readonly ProviderCall[]> {
    const secret = kind === 'forged' ? newSecret() : this.#secret;
    const calls: ProviderCall[] = [];
    for (const event of this.#events(order, kind)) calls.push(await this.#call(event, secret));
    return calls;
  }

  #events(order: Order, kind: EventKind): readonly Event[] {
    const now = this.#clock.now();
    switch (kind) {
      case 'authorised':
        return [eventOf(order, 'authorised', now)];
      case 'success':
      case 'forged':
        return [eventOf(order, 'captured', now)];
      case 'failure':
        return [eventOf(order, 'declined', now)];
      case 'duplicate': {
        const event = eventOf(order, 'captured', now);
        return [event, event];
      }
      case 'out-of-order':
        return [eventOf(order, 'captured', now), eventOf(order, 'authorised', now - AUTHORISED_BEFORE_MS)];
      default:
        return kind satisfies never;
    }
  }

  async #call({ id, body }: Event, secret: string): Promise<ProviderCall> {
    const now = this.#clock.now();
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'ringback-demo-provider',
      ...sign(secret, { id, timestamp: Math.floor(now / 1000), body }),
    };
    const request = { url: this.#url, headers, body, sentAt: new Date(now).toISOString() };
    const begun = performance.now();
    const answer = await post(this.#url, headers, body);
    return { ...request, ...answer, tookMs: Math.round((performance.now() - begun) * 10) / 10 };
  }
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Pick<ProviderCall, 'status' | 'answer'>> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
    return { status: response.status, answer: await response.text() };
  } catch {
    return { status: 0, answer: '' };
  }
}

function eventOf({ order, amount, currency }: Order, stage: Stage, at: number): Event {
  const data = {
    reference: order,
    payment: `pay_${createHash('sha256').update(order).digest('hex').slice(0, 16)}`,
    amount,
    currency,
    ...(stage === 'declined' && { reason: 'insufficient funds' }),
  };
  const body = JSON.stringify({ type: `payment.${stage}`, timestamp: new Date(at).toISOString(), data });
  return { id: `evt_${randomBytes(16).toString('hex')}`, body };
}

function newSecret(): string {
  return presets['standard-webhooks'].secret.prefix + randomBytes(32).toString('base64');
}
