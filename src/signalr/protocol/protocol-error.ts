/** What the peer sent does not follow the protocol. Its text reaches the peer only with detailed errors. */
export class ProtocolError extends Error {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name = 'InvalidDataException';
  /** What the peer had sent: for the peer's eyes, never for a log. */
  readonly content: string | undefined;

  constructor(message: string, content?: string) {
    super(message);
    this.content = content;
  }
}
