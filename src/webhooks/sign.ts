/** The sender's side of Standard Webhooks: for whoever plays a provider. */
import { presets } from './presets.ts';
import { readSecret } from './secret.ts';
import { signatureOf } from './signature.ts';

export interface OutgoingWebhook {
  /** Of the event: the same in each attempt to deliver it. */
  readonly id: string;
  /** When this attempt is made: Unix time in seconds. */
  readonly timestamp: number;
  /** Sent exactly as it is given here. */
  readonly body: string | Uint8Array;
}

/**
 * The three headers that go with the body.
 *
 * @param secret `whsec_` and then base64
 * @throws TypeError when the secret is none
 */
export function sign(secret: string, { id, timestamp, body }: OutgoingWebhook): Record<string, string> {
  const preset = presets['standard-webhooks'];
  const reading = readSecret(secret, preset.secret);
  if ('problem' in reading) throw new TypeError(reading.problem);
  const time = String(timestamp);
  const code = signatureOf(preset, reading.value, { id, timestamp: time, body: Buffer.from(body) });
  return {
    [preset.headers.id]: id,
    [preset.headers.timestamp]: time,
    [preset.headers.signatures]: preset.signature.prefix + code.toString(preset.signature.encoding),
  };
}
