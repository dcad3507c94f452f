/** The client's numbering of messages does not fit to what was sent and received. */
import { ProtocolError } from '../protocol/protocol-error.ts';

export class SequenceError extends ProtocolError {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name = 'InvalidOperationException';
}
