/**
 * The texts by which clients learn that something failed: generic, unless the error is meant for them or details are on.
 */
import { HubError } from '../hub/hub-error.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';

export const closedWithError = 'Connection closed with an error.';
export const streamingFailed = 'An error occurred on the server while streaming results.';
export const handshakeFailed = 'An unexpected error occurred during connection handshake.';
export const handshakeCanceled = 'Handshake was canceled.';

/** `prefix`, and behind it the error's name and text where the client may see them. */
export function faultText(prefix: string, error: unknown, detailed: boolean): string {
  if (error instanceof HubError) return `${prefix} ${error.name}: ${error.message}`;
  if (!detailed) return prefix;
  if (!(error instanceof Error)) return prefix;
  const content = error instanceof ProtocolError && error.content !== undefined ? ` Message content: ${error.content}` : '';
  return `${prefix} ${error.name}: ${error.message}${content}`;
}

export function bindingFailed(target: string): string {
  return `Failed to invoke '${target}' due to an error on the server.`;
}

export function invocationFailed(target: string): string {
  return `An unexpected error occurred invoking '${target}' on the server.`;
}

export function unauthorized(target: string): string {
  return `Failed to invoke '${target}' because user is unauthorized`;
}

export function notStreaming(target: string): string {
  return `The client attempted to invoke the non-streaming '${target}' method with a streaming invocation.`;
}

export function streaming(target: string): string {
  return `The client attempted to invoke the streaming '${target}' method with a non-streaming invocation.`;
}

export function notAStream(target: string): string {
  return `The value returned by the streaming method '${target}' is not a ChannelReader<> or IAsyncEnumerable<>.`;
}
