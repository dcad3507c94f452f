/** The secret that a source shares with us, from the text that people copy. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import type { SecretForm } from './preset.ts';

/** Shorter ones could be guessed. */
export const SHORTEST_SECRET_BYTES = 16;

/** The key, or the sentence that says why there is none; it never holds a piece of the text. */
export function readSecret(text: string, { prefix }: SecretForm): { readonly value: KeyObject } | { readonly problem: string } {
  const encoded = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  if (encoded === '') return { problem: 'the secret is empty' };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.replaceAll('=', '').length % 4 === 1)
    return { problem: `the secret is not base64; expected ${prefix} and then base64` };
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length < SHORTEST_SECRET_BYTES
    ? { problem: `the secret has ${bytes.length} bytes; expected at least ${SHORTEST_SECRET_BYTES}` }
    : { value: createSecretKey(bytes) };
}
