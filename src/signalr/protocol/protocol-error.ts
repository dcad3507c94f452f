/** What the peer sent does not follow the protocol. Its text reaches the peer only with detailed errors. */
export class ProtocolError extends Error {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name: string = 'InvalidDataException';
  /** What the peer had sent: for the peer's eyes, never for a log. */
  readonly content: string | undefined;

  constructor(message: string, content?: string) {
    super(message);
    this.content = content;
  }
}

/** The text for a call whose arguments cannot be read, or are not what its method wants. */
export const ARGUMENTS_DO_NOT_FIT =
  'Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.';
