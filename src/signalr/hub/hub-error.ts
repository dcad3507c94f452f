/**
 * The one error whose text reaches the client although detailed errors are off: the app's way to tell the user something.
 */
export class HubError extends Error {
  // The official server's name for it, which is part of the texts that clients see.
  override readonly name = 'HubException';
}
