/**
 * What clients learn by the official server's names of errors.
 */

/** The one error whose text reaches the client although detailed errors are off: the app's way to tell the user something. */
export class HubError extends Error {
  override readonly name = 'HubException';
}

/** There is no such connection, or no longer. */
export class NoConnectionError extends Error {
  override readonly name = 'IOException';
}

/** Not now, or not by this client. */
export class InvalidOperationError extends Error {
  override readonly name = 'InvalidOperationException';
}
