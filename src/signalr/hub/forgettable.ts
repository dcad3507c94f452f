/**
 * A promise that fails when a client leaves, or says so. Who awaits it hears of that; an app that has forgotten it, or comes
 * back to it later, must not end with all its clients because one of them has left.
 */
export function forgettable<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
