/** The one computation that sender and receiver share: the authentication code of what a preset says is signed. */
import { createHmac, type KeyObject } from 'node:crypto';
import type { Preset } from './preset.ts';

/** Headers are given as Node reads them, one character a byte, and are signed as the bytes that they were. */
export interface SignedParts {
  readonly id: string;
  readonly timestamp: string;
  readonly body: Uint8Array;
}

/** The bytes of the signature. */
export function signatureOf({ algorithm, content }: Preset, key: KeyObject, parts: SignedParts): Buffer {
  const hmac = createHmac(algorithm, key);
  for (const piece of content.split(/(\{\w+\})/)) {
    if (piece === '{body}') hmac.update(parts.body);
    else hmac.update(piece === '{id}' ? parts.id : piece === '{timestamp}' ? parts.timestamp : piece, 'latin1');
  }
  return hmac.digest();
}
