/**
 * How peers prove themselves to each other before anything else is said: TLS with a key for each node, which follows from the
 * secret that all of them share. No certificates; forward secrecy. Knows nothing of what goes through.
 *
 * @see RFC 5489, ECDHE_PSK
 */
import { createHmac } from 'node:crypto';
import type { ConnectionOptions, TlsOptions } from 'node:tls';

const HANDSHAKE_TIMEOUT_MS = 10_000;

const protocol = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;

/** Of one node, so that only this one, and who knows the secret, can answer in its name. */
function keyOf(node: string, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`peer\n${node}`).digest();
}

/** For connections that end at this node, of peers that share the secret. */
export function acceptingAs(node: string, secret: Uint8Array): TlsOptions {
  const psk = keyOf(node, secret);
  return {
    ...protocol,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    pskCallback: (_socket, identity) => (identity === node ? psk : null),
  };
}

/** What every connection to a peer has; for an agent. */
export const caller = {
  ...protocol,
  // There is no certificate that could have a name in it. OpenSSL has seen that the other side has the key.
  checkServerIdentity: (): undefined => undefined,
} as const;

/** For a connection to this node: whoever else answers gets nothing but its name. */
export function callingFor(
  node: string,
  secret: Uint8Array,
): Pick<ConnectionOptions, 'pskCallback'> & { readonly servername: string } {
  const psk = keyOf(node, secret);
  // Agents keep connections apart by the name: another node may come to have the same address.
  return { servername: node, pskCallback: () => ({ identity: node, psk }) };
}
