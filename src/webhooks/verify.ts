/**
 * Whether a request comes from its source: the generic verifier, which does for every provider what its preset says.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Preset } from './preset.ts';
import { signatureOf } from './signature.ts';
import type { WebhookSource } from './source.ts';

/** A header with more is no honest one. Whatever comes behind is not looked at. */
const MOST_SIGNATURES = 100;
const LONGEST_HEADER = 16 * 1024;

/** A request as it came. */
export interface RawWebhook {
  /** By name in lower case, every occurrence for itself; one character a byte, as Node reads them. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/**
 * Why a request is not verified, for whoever runs the server: `headers`, one of the three is missing, repeated or cannot be
 * what it should; `clock`, the time is too far from ours; `signature`, none is right.
 */
export type RefusalCause = 'headers' | 'clock' | 'signature';

export type Verification =
  /** Of the event, one character a byte. */
  { readonly id: string } | { readonly refused: RefusalCause };

/**
 * Tries every secret on every signature, and takes as long for the first of them as for the last.
 *
 * @param now epoch milliseconds
 */
export function verify(
  { secrets }: Pick<WebhookSource, 'secrets'>,
  preset: Preset,
  { headers, body, now }: RawWebhook & { readonly now: number },
): Verification {
  const id = only(headers[preset.headers.id]);
  const timestamp = only(headers[preset.headers.timestamp]);
  const signatures = only(headers[preset.headers.signatures]);
  if (id === undefined || signatures === undefined || !isTime(timestamp)) return { refused: 'headers' };
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) > preset.toleranceSeconds) return { refused: 'clock' };
  const candidates = signaturesIn(signatures, preset);
  if (candidates.length === 0) return { refused: 'signature' };
  let matches = 0;
  for (const key of secrets) {
    const expected = signatureOf(preset, key, { id, timestamp, body });
    for (const candidate of candidates) matches += isEqual(candidate, expected) ? 1 : 0;
  }
  return matches === 0 ? { refused: 'signature' } : { id };
}

/** A header that is there twice could be read differently by a proxy in between. */
function only(values: readonly string[] | undefined): string | undefined {
  const [value, ...others] = values ?? [];
  if (value === undefined || value === '' || others.length > 0) return undefined;
  return value.length > LONGEST_HEADER ? undefined : value;
}

/** Digits only: what a lax parser takes for a number would be signed, and meant, as something else. */
function isTime(timestamp: string | undefined): timestamp is string {
  return timestamp !== undefined && /^\d{1,15}$/.test(timestamp);
}

function signaturesIn(header: string, { signature }: Preset): Buffer[] {
  return header
    .split(signature.separator, MOST_SIGNATURES)
    .filter((entry) => entry.startsWith(signature.prefix))
    .flatMap((entry) => decoded(entry.slice(signature.prefix.length), signature.encoding) ?? []);
}

/** Only as an encoder writes it: `Buffer.from` skips what does not belong, so that many texts would be one signature. */
function decoded(text: string, encoding: Preset['signature']['encoding']): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  return bytes.toString(encoding) === text ? bytes : undefined;
}

/** A signature of another length has nothing to be compared with, and says nothing but its own length. */
function isEqual(candidate: Buffer, expected: Buffer): boolean {
  return candidate.length === expected.length && timingSafeEqual(candidate, expected);
}
