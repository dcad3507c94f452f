/** The client was silent for too long. */
export class ClientTimeout extends Error {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name = 'OperationCanceledException';

  constructor() {
    super("Client hasn't sent a message/ping within the configured ClientTimeoutInterval.");
  }
}
