/**
 * The way of a webhook: raw request → verified → read → known again or new → in the mailbox. What a provider sends and wants
 * to hear is said by its preset; nothing here knows HTTP beyond headers and bytes.
 */
import type { Clock } from '../clock.ts';
import { RingbackError } from '../errors.ts';
import { requireBytes } from '../json/require-bytes.ts';
import type { ReceiveResult } from '../store/store.ts';
import type { Mailbox } from '../transactions/mailbox.ts';
import { readEvent } from './event.ts';
import type { Preset } from './preset.ts';
import { presets } from './presets.ts';
import type { WebhookSource } from './source.ts';
import { verify, type RawWebhook, type RefusalCause, type Verification } from './verify.ts';

export interface WebhookLimits {
  /** Of the data of a message, as compact JSON. */
  readonly messageBytes: number;
  readonly jsonDepth: number;
}

export interface WebhookReceiverOptions {
  readonly sources: readonly WebhookSource[];
  readonly mailbox: Pick<Mailbox, 'receive'>;
  readonly limits: WebhookLimits;
  readonly clock: Clock;
}

/** What became of a verified event. The provider is told none of it: `answer` is the same for all. */
export type Received = (
  | Exclude<ReceiveResult, { readonly outcome: 'full' | 'unknown' }>
  /** Nothing in it names a transaction, or an id that does not exist; nothing was kept. */
  | { readonly outcome: 'unroutable' }
) & { readonly answer: Preset['answer'] };

/** The cause of a `bad_signature`, for logs and counters. The provider is told none of it: it may be no provider. */
export class SignatureRefusal extends Error {
  override readonly name = 'SignatureRefusal';
  readonly reason: RefusalCause;

  constructor(reason: RefusalCause) {
    super(`refused for its ${reason}`);
    this.reason = reason;
  }
}

export class WebhookReceiver {
  readonly #options: WebhookReceiverOptions;
  readonly #sources: ReadonlyMap<string, WebhookSource>;

  constructor(options: WebhookReceiverOptions) {
    this.#options = options;
    this.#sources = new Map(options.sources.map((source) => [source.name, source]));
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /**
   * Resolves when what is to be kept is committed.
   *
   * @throws RingbackError not_found, for an unknown source; bad_signature, whose `cause` is a {@link SignatureRefusal}
   *   unless the verifier itself has failed; invalid_request; data_too_large; and as {@link Mailbox.receive}
   * @throws JsonTextError
   */
  async receive(name: string, request: RawWebhook): Promise<Received> {
    const source = this.#sources.get(name);
    if (source === undefined) throw new RingbackError('not_found');
    const preset: Preset = presets[source.preset];
    const id = this.#verifiedId(source, preset, request);
    const { mailbox, limits } = this.#options;
    const { recipient, ...event } = readEvent(source, preset, { id, bytes: request.body, maxDepth: limits.jsonDepth });
    const { answer } = preset;
    if (recipient === undefined) return { outcome: 'unroutable', answer };
    requireBytes(event.data, limits.messageBytes, 'data_too_large');
    const result = await mailbox.receive({ ...event, recipient });
    if (result.outcome === 'unknown') return { outcome: 'unroutable', answer };
    return { ...result, answer };
  }

  #verifiedId(source: WebhookSource, preset: Preset, request: RawWebhook): string {
    let verification: Verification;
    try {
      verification = verify(source, preset, { ...request, now: this.#options.clock.now() });
    } catch (cause) {
      throw new RingbackError('bad_signature', { cause });
    }
    if ('id' in verification) return verification.id;
    throw new RingbackError('bad_signature', { cause: new SignatureRefusal(verification.refused) });
  }
}
