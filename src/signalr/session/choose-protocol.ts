/**
 * Which hub protocol a handshake request gets, or why none.
 */
import { type HandshakeRequest, HIGHEST_HUB_PROTOCOL_VERSION } from '../protocol/handshake.ts';
import type { HubProtocol } from '../protocol/hub-protocol.ts';
import { transportFormats, type TransportName } from '../protocol/negotiate.ts';

/** The protocol, or the text that refuses the client. */
export function chooseProtocol(
  { protocol: name, version }: HandshakeRequest,
  protocols: readonly HubProtocol[],
  transport: TransportName,
): HubProtocol | string {
  const protocol = protocols.find((candidate) => candidate.name === name.toLowerCase());
  if (protocol === undefined) return `The protocol '${name}' is not supported.`;
  if (version > HIGHEST_HUB_PROTOCOL_VERSION) {
    return `The server does not support version ${version} of the '${name}' protocol.`;
  }
  const { transferFormat } = protocol;
  if (transportFormats[transport].includes(transferFormat)) return protocol;
  return `Cannot use the '${protocol.name}' protocol on the current transport. The transport does not support '${transferFormat}' transfer format.`;
}
