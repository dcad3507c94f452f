/** Ids and secrets: random, opaque, told apart by their first letters, and kept only as hashes. */
import { hash } from 'node:crypto';
import { randomText } from '../random-text.ts';

/** What a secret grants, as its prefix says; secret scanners and people then know what they found. */
export type SecretKind = 'access-token' | 'ticket' | 'callback' | 'api-key';

const PREFIXES: Readonly<Record<SecretKind, string>> = {
  'access-token': 'rbat_',
  ticket: 'rbtk_',
  callback: 'rbcb_',
  'api-key': 'rbak_',
};

const SECRET_BYTES = 32;
/** Ids grant nothing, but a guess must not hit one either. */
const ID_BYTES = 18;

/** A new secret of 256 random bits. Safe in URLs and headers as it stands. */
export function newSecret(kind: SecretKind): string {
  return PREFIXES[kind] + randomText(SECRET_BYTES);
}

/** SHA-256, base64url. Enough for random input: there is nothing to guess that a slow hash could protect. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** Whether a text has the form of a secret of this kind; says nothing of its being good. */
export function looksLike(kind: SecretKind, text: string): boolean {
  return text.startsWith(PREFIXES[kind]);
}

/** `txn_…`, `msg_…`: 144 random bits. */
export function newId(prefix: 'txn' | 'msg' | 'tok' | 'cbk'): string {
  return `${prefix}_${randomText(ID_BYTES)}`;
}
