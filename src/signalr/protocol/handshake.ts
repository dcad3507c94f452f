/**
 * The handshake: the first message each way, JSON whatever the hub protocol.
 *
 * @see HubProtocol.md, "Overview"
 */
import { parseJsonObject } from './json-value.ts';
import { ProtocolError } from './protocol-error.ts';

/** Versions of the hub protocols up to this one are accepted. */
export const HIGHEST_HUB_PROTOCOL_VERSION = 2;
/** From this version on a client knows stateful reconnect. */
export const RESUMABLE_VERSION = 2;

/** Of 32 bits; beyond it a request cannot be read, whereas one that can is told which version it must not be. */
const LARGEST_VERSION = 2 ** 31 - 1;

export interface HandshakeRequest {
  readonly protocol: string;
  readonly version: number;
}

/**
 * @param frame with its record separator
 * @throws ProtocolError when it is no handshake request
 */
export function parseHandshakeRequest(frame: Buffer): HandshakeRequest {
  const text = frame.subarray(0, -1);
  const { protocol, version } = parseJsonObject(text);
  if (protocol === undefined) throw missing('protocol', text);
  if (typeof protocol !== 'string') throw new ProtocolError("Expected 'protocol' to be of type String.");
  if (version === undefined || version === null) throw missing('version', text);
  if (typeof version !== 'number' || version !== Math.trunc(version) || Math.abs(version) > LARGEST_VERSION) {
    throw new ProtocolError("Expected 'version' to be of type Number.");
  }
  return { protocol, version };
}

function missing(name: string, text: Buffer): ProtocolError {
  return new ProtocolError(`Missing required property '${name}'.`, text.toString());
}

/** @param error absent: the client is welcome */
export function handshakeAnswer(error?: string): string {
  return error === undefined ? '{}\u001e' : `${JSON.stringify({ error })}\u001e`;
}
