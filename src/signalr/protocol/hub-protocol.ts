/**
 * The port of a hub protocol: bytes to hub messages and back. Pure: it knows no connection, transport or clock.
 */
import type { FindFrame } from './framing.ts';
import type { HubMessage } from './messages.ts';

export type TransferFormat = 'Text' | 'Binary';

export interface HubProtocol {
  /** As clients name it in the handshake, lower case. */
  readonly name: string;
  /** Text protocols encode to strings, binary ones to bytes. */
  readonly transferFormat: TransferFormat;
  /** Finds where the next frame ends. */
  readonly findFrame: FindFrame;
  /**
   * One whole frame, framing included, as a message; undefined for a type this protocol version does not know.
   * @throws ProtocolError when the frame is malformed
   */
  parse(frame: Buffer): HubMessage | undefined;
  /**
   * One message, framing included.
   * @throws TypeError or RangeError when a value cannot be encoded (a cycle, a large BigInt, too deep)
   */
  encode(message: HubMessage): string | Uint8Array;
}
